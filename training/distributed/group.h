// The processes of one training run and their communication.
//
// The environment says who takes part, as set by torchrun (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR,
// MASTER_PORT), Kubeflow (the same) or Slurm (SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID, and the first node
// of SLURM_JOB_NODELIST with MASTER_PORT or 29500); without any of them a run is one process.
//
// All calls are collective: every process makes them in the same order, from one thread. When a process dies,
// the others end within 30 seconds: a collective fails, or the watch that every process keeps on the others'
// heartbeats (two seconds apart) reports on standard error who is gone and exits with code 1.
#pragma once

#include <memory>
#include <span>
#include <string>

#include <ATen/core/Tensor.h>

#include "base/environment.h"
#include "base/result.h"

namespace preferd::training {

struct Rank {
  int rank = 0, size = 1, local_rank = 0;
  std::string address;  // address of rank 0
  int port = 0;         // port that rank 0 serves; if torchrun's agent keeps MASTER_PORT, the next one
};

// Errors: variables that are missing while others are set, that are not numbers, or that contradict each
// other.
Result<Rank> find_rank(const Environment& environment);

// "gpu[03-05,9]" -> "gpu03"; "rack[1-2]n[3,4]-ib" -> "rack1n3-ib"; "a,b" -> "a".
std::string first_slurm_node(const std::string& list);

class Group {
 public:
  virtual ~Group() = default;

  int rank() const { return self_.rank; }
  int size() const { return self_.size; }
  bool leads() const { return self_.rank == 0; }

  // Replaces every process's tensors by their sum over all processes, in place; shapes must be the same
  // everywhere.
  virtual Status sum(std::span<at::Tensor> tensors) = 0;
  // Copies rank 0's tensors to all processes, in place.
  virtual Status broadcast(std::span<at::Tensor> tensors) = 0;
  virtual Status barrier() = 0;

 protected:
  explicit Group(Rank self) : self_(std::move(self)) {}
  Rank self_;
};

enum class Transport { kGloo, kNccl };

// A single process (size 1) has nothing to do. Otherwise waits up to five minutes for the others. Errors:
// this build lacks the transport; nobody came.
Result<std::unique_ptr<Group>> join_group(const Rank& self, Transport transport);

}  // namespace preferd::training
