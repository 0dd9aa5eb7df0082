// The walk of a block of threads over the tiles of keys and values of its pieces, by lines of queries: what
// the planner (stream-inl.cuh) of the forward and of the gradient of queries does.
#pragma once

#include "model/kernels/cuda/ampere/stream-inl.cuh"
#include "model/kernels/cuda/attention_softmax-inl.cuh"

namespace preferd::kernels::cuda::ampere {

// How tiles of queries are cut into pieces of work: each into `parts`, of at most `queries`.
struct QueryParts {
  std::int32_t parts, queries;
};

// The queries of a piece, none if its part of the tile is empty; and its block of heads.
struct QueryPiece {
  AttentionTile tile;
  std::int32_t block;
};
__device__ __forceinline__ QueryPiece query_piece(const AttentionTask& task, const QueryParts& cut,
                                                  std::int32_t piece) {
  const std::int32_t part = piece / task.blocks, first = part % cut.parts * cut.queries;
  AttentionTile tile = task.tiles[part / cut.parts];
  tile.first_query += first;
  tile.first_position += first;
  tile.queries = min(max(tile.queries - first, 0), cut.queries);
  return {tile, piece % task.blocks};
}

// Where the planner stands.
struct KeyWalk {
  std::int32_t piece, tile, to;  // `to`: behind the piece's last tile
  std::int32_t first_run, runs, first_position, queries, kv_head;

  __device__ __forceinline__ std::int32_t length() const { return first_position + queries; }
};

// The row at position p of a line; any of its rows behind the line's end.
__device__ __forceinline__ std::int32_t row_at(const KeyRun* runs, const KeyWalk& walk, std::int32_t p) {
  p = min(p, walk.length() - 1);
  std::int32_t end = 0;
  for (std::int32_t i = walk.first_run; i < walk.first_run + walk.runs; ++i) {
    const KeyRun run = runs[i];
    if (p < end + run.count) return run.first_row + p - end;
    end += run.count;
  }
  return 0;
}

// By the planner's warp: goes on to the next tile and plans it as the n-th.
template <class P>
__device__ __forceinline__ void plan_keys(const AttentionTask& task, const QueryParts& cut, KeyWalk& kept,
                                          StreamState<P>& state, std::uint32_t n) {
  const int lane = static_cast<int>(this_thread() % 32);
  KeyWalk walk = kept;
  __syncwarp();
  if (walk.piece != kNoPiece && ++walk.tile >= walk.to) {
    AttentionTile tile{};
    do {
      const std::int32_t piece = piece_of(++walk.piece);
      if (piece >= task.pieces) {
        walk.piece = kNoPiece;
        break;
      }
      const QueryPiece found = query_piece(task, cut, piece);
      tile = found.tile;
      walk.kv_head = found.block / task.blocks_of_kv_head;
    } while (tile.queries == 0);
    const KeyTiles range = key_tiles<P::kTile>(tile, task.window);
    walk.tile = range.from;
    walk.to = range.to;
    walk.first_run = tile.first_run;
    walk.runs = tile.runs;
    walk.first_position = tile.first_position;
    walk.queries = tile.queries;
  }
  if (walk.piece != kNoPiece) {
    const std::int64_t head = std::int64_t{walk.kv_head} * task.head_dim;
#pragma unroll
    for (int r = lane; r < P::kTile; r += 32) {
      const std::int64_t row = row_at(task.runs, walk, walk.tile * P::kTile + r);
      state.rows[n % 2][0][r] = task.k.data + row * task.k.stride + head;
      state.rows[n % 2][1][r] = task.v.data + row * task.v.stride + head;
    }
  }
  if (lane == 0) {
    state.count[n % 2] = walk.length() - walk.tile * P::kTile;
    state.notes[n % 4] = {walk.piece, walk.tile, walk.first_position, walk.queries};
    kept = walk;
  }
  __syncwarp();
}

// The rows of a piece that a thread's two rows (r and r + 8) are.
struct OwnQueries {
  std::int32_t query[2], head[2];
  bool there[2];

  __device__ __forceinline__ OwnQueries(const AttentionTask& task, const QueryPiece& piece, int row,
                                        int rows) {
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int r = row + 8 * e;
      query[e] = query_of(task, r);
      head[e] = piece.block * task.pack + r - query[e] * task.pack;
      there[e] = query[e] < piece.tile.queries && r < task.pack * query_of(task, rows);
    }
  }
};

// Which keys the 16 rows of a warp from first_row on see, of a piece that a note tells about: what is held in
// registers only while it is needed.
template <int kTile>
class OwnKeys {
 public:
  __device__ __forceinline__ OwnKeys(const AttentionTask& task, const Note& note, int first_row)
      : task_(task), note_(note), first_row_(first_row) {}

  __device__ __forceinline__ bool sees_tile() const {
    if (query_of(task_, first_row_) >= note_.queries) return false;
    return note_.tile >= max(oldest(first_row_), 0) / kTile &&
           note_.tile <= position(first_row_ + 15) / kTile;
  }
  __device__ __forceinline__ Mask mask() const {
    const std::int32_t begin = note_.tile * kTile;
    return begin >= oldest(first_row_ + 15) && begin + kTile - 1 <= position(first_row_) ? Mask::kNone
                                                                                         : Mask::kSome;
  }
  __device__ __forceinline__ CausalMask causal() const {
    const int row = first_row_ + static_cast<int>(this_thread() % 32 / 4);
    return {{oldest(row), oldest(row + 8)}, {position(row), position(row + 8)}};
  }

 private:
  __device__ __forceinline__ std::int32_t position(int row) const {
    return note_.first_position + min(query_of(task_, row), note_.queries - 1);
  }
  __device__ __forceinline__ std::int32_t oldest(int row) const {
    return task_.window > 0 ? position(row) - task_.window + 1 : 0;
  }

  const AttentionTask& task_;
  const Note note_;
  const int first_row_;
};

}  // namespace preferd::kernels::cuda::ampere
