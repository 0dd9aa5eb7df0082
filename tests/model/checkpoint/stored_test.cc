// Bases in bitsandbytes' own files: the state of each tensor must be whole and agree with package.json.
#include "tests/support/refusal.h"

namespace preferd::checkpoint {
namespace {

using namespace testing_support;

const std::string kQuery = "model.layers.0.self_attn.q_proj.weight";

template <class F>
void tensors(const PackageCopy& c, F change) {
  c.edit_tensors("base/model.safetensors", change);
}
template <class F>
void manifest(const PackageCopy& c, F change) {
  c.edit("package.json", change);
}

template <class F>
void state(const PackageCopy& c, F change) {
  tensors(c, [&](auto& file) {
    for (auto& [name, tensor] : file)
      if (name.starts_with(kQuery + ".quant_state.")) {
        Json j = *parse_json(tensor.bytes);
        change(j);
        tensor.bytes = j.dump();
        tensor.shape = {static_cast<std::int64_t>(tensor.bytes.size())};
      }
  });
}

class BadStored : public RefusalTest {};
TEST_P(BadStored, IsRefused) { check(); }

INSTANTIATE_TEST_SUITE_P(
    All, BadStored,
    testing::Values(
        Refusal{"nf4_but_scheme_none",
                "stored_nf4",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j.erase("quantization"); }); },
                {"already quantized", "scheme none"}},
        Refusal{"nf4_but_scheme_fp4",
                "stored_nf4",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) {
                    j["quantization"] = {{"scheme", "fp4"}, {"double_quant", true}};
                  });
                },
                {"q_proj.weight is nf4", "package.json says fp4"}},
        Refusal{"nf4_but_scheme_int8",
                "stored_nf4",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) { j["quantization"] = {{"scheme", "int8"}}; });
                },
                {"q_proj.weight is nf4", "package.json says int8"}},
        Refusal{"int8_but_scheme_nf4",
                "stored_int8",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) {
                    j["quantization"] = {{"scheme", "nf4"}, {"embeddings", "int8_row"}};
                  });
                },
                {"q_proj.weight is int8, package.json says scheme nf4"}},
        Refusal{
            "block_size",
            "stored_nf4",
            [](const PackageCopy& c) { manifest(c, [](Json& j) { j["quantization"]["block_size"] = 128; }); },
            {"blocks of 64", "blocks of 128"}},
        Refusal{"double_quant_denied",
                "stored_nf4",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) { j["quantization"]["double_quant"] = false; });
                },
                {"with double quantization", "without double quantization"}},
        Refusal{"double_quant_claimed",
                "stored_fp4",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) { j["quantization"]["double_quant"] = true; });
                },
                {"without double quantization", "with double quantization"}},
        Refusal{
            "embedding_unsaid",
            "stored_nf4",
            [](const PackageCopy& c) { manifest(c, [](Json& j) { j["quantization"].erase("embeddings"); }); },
            {"embed_tokens.weight", "quantization.embeddings"}},
        Refusal{
            "embedding_int8_unsaid",
            "stored_int8",
            [](const PackageCopy& c) { manifest(c, [](Json& j) { j["quantization"].erase("embeddings"); }); },
            {"embed_tokens.weight is stored as int8", "quantization.embeddings"}},
        Refusal{"state_shape",
                "stored_nf4",
                [](const PackageCopy& c) { state(c, [](Json& j) {
                                             j["shape"] = {32, 128};
                                           }); },
                {"layers.0.self_attn.q_proj.weight", "shape", "expected [64, 64]"}},
        Refusal{"state_shape_missing",
                "stored_nf4",
                [](const PackageCopy& c) { state(c, [](Json& j) { j.erase("shape"); }); },
                {"layers.0.self_attn.q_proj.weight", "shape"}},
        Refusal{"state_unknown_key",
                "stored_nf4",
                [](const PackageCopy& c) { state(c, [](Json& j) { j["zero_point"] = 1; }); },
                {"layers.0.self_attn.q_proj.weight", "zero_point"}},
        Refusal{"state_dtype",
                "stored_nf4",
                [](const PackageCopy& c) { state(c, [](Json& j) { j["dtype"] = "int8"; }); },
                {"layers.0.self_attn.q_proj.weight", "dtype"}},
        Refusal{"state_type",
                "stored_nf4",
                [](const PackageCopy& c) { state(c, [](Json& j) { j["quant_type"] = "fp4"; }); },
                {"layers.0.self_attn.q_proj.weight", "quant_type 'fp4'"}},
        Refusal{"state_blocksize",
                "stored_nf4",
                [](const PackageCopy& c) { state(c, [](Json& j) { j["blocksize"] = 0; }); },
                {"layers.0.self_attn.q_proj.weight", "blocksize is 0"}},
        Refusal{"state_nested_blocksize",
                "stored_nf4",
                [](const PackageCopy& c) {
                  state(c, [](Json& j) {
                    j["nested_blocksize"] = 1 << 20;
                    j["nested_blocksize"] = 16;
                  });
                },
                {"layers.0.self_attn.q_proj.weight", "double quantization"}},
        Refusal{"state_offset",
                "stored_nf4",
                [](const PackageCopy& c) { state(c, [](Json& j) { j["nested_offset"] = "0.1"; }); },
                {"layers.0.self_attn.q_proj.weight", "nested_offset"}},
        Refusal{"state_no_json",
                "stored_nf4",
                [](const PackageCopy& c) {
                  tensors(c,
                          [](auto& file) { file[kQuery + ".quant_state.bitsandbytes__nf4"].bytes[0] = '['; });
                },
                {"layers.0.self_attn.q_proj.weight", "no JSON object"}},
        Refusal{"state_absent",
                "stored_nf4",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file.erase(kQuery + ".quant_state.bitsandbytes__nf4"); });
                },
                {"layers.0.self_attn.q_proj.weight", "lacks"}},
        Refusal{"absmax_absent",
                "stored_nf4",
                [](const PackageCopy& c) { tensors(c, [](auto& file) { file.erase(kQuery + ".absmax"); }); },
                {"layers.0.self_attn.q_proj.weight", "absmax"}},
        Refusal{"absmax_short",
                "stored_fp4",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file[kQuery + ".absmax"] = filled({63}); });
                },
                {"layers.0.self_attn.q_proj.weight", "63 blocks"}},
        Refusal{"absmax_nan",
                "stored_fp4",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { set_bits(file[kQuery + ".absmax"], 0x7fc00000); });
                },
                {"layers.0.self_attn.q_proj.weight", "NaN"}},
        Refusal{
            "quant_map_absent",
            "stored_fp4",
            [](const PackageCopy& c) { tensors(c, [](auto& file) { file.erase(kQuery + ".quant_map"); }); },
            {"layers.0.self_attn.q_proj.weight", "quant_map"}},
        Refusal{"quant_map_short",
                "stored_fp4",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file[kQuery + ".quant_map"] = filled({15}); });
                },
                {"layers.0.self_attn.q_proj.weight", "quant_map"}},
        Refusal{"nested_absmax_absent",
                "stored_nf4",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file.erase(kQuery + ".nested_absmax"); });
                },
                {"layers.0.self_attn.q_proj.weight", "nested_absmax"}},
        Refusal{"nested_map_absent",
                "stored_nf4",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file.erase(kQuery + ".nested_quant_map"); });
                },
                {"layers.0.self_attn.q_proj.weight", "nested_quant_map"}},
        Refusal{"codes_short",
                "stored_nf4",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file[kQuery] = {"U8", {2047, 1}, std::string(2047, 'x')}; });
                },
                {"layers.0.self_attn.q_proj.weight", "2047 bytes"}},
        Refusal{"codes_absent",
                "stored_nf4",
                [](const PackageCopy& c) { tensors(c, [](auto& file) { file.erase(kQuery); }); },
                {"missing tensor layers.0.self_attn.q_proj.weight"}},
        Refusal{"parts_of_nothing",
                "stored_nf4",
                [](const PackageCopy& c) {
                  tensors(c,
                          [](auto& file) { file["model.layers.0.mlp.extra.weight.absmax"] = filled({4}); });
                },
                {"no part of llama reads", "layers.0.mlp.extra.weight"}},
        Refusal{"scb_absent",
                "stored_int8",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file.erase("model.layers.0.self_attn.q_proj.SCB"); });
                },
                {"layers.0.self_attn.q_proj.weight", "SCB"}},
        Refusal{"scb_and_format_absent",
                "stored_int8",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) {
                    file.erase("model.layers.0.self_attn.q_proj.SCB");
                    file.erase("model.layers.0.self_attn.q_proj.weight_format");
                  });
                },
                {"layers.0.self_attn.q_proj.weight is I8"}},
        Refusal{"scb_length",
                "stored_int8",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file["model.layers.0.self_attn.q_proj.SCB"] = filled({63}); });
                },
                {"layers.0.self_attn.q_proj.weight", "SCB"}},
        Refusal{"scb_nan",
                "stored_int8",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) {
                    set_bits(file["model.layers.0.self_attn.q_proj.SCB"], 0x7fc00000);
                  });
                },
                {"layers.0.self_attn.q_proj.weight", "NaN"}},
        Refusal{"scb_integers",
                "stored_int8",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) {
                    file["model.layers.0.self_attn.q_proj.SCB"] = {"I32", {64}, std::string(256, 'x')};
                  });
                },
                {"layers.0.self_attn.q_proj.weight", "SCB"}},
        Refusal{"int8_shape",
                "stored_int8",
                [](const PackageCopy& c) { tensors(c, [](auto& file) {
                                             file[kQuery].shape = {32, 128};
                                           }); },
                {"layers.0.self_attn.q_proj.weight", "[64, 64]"}},
        Refusal{"int8_format",
                "stored_int8",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) {
                    file["model.layers.0.self_attn.q_proj.weight_format"].bytes[0] = 1;
                  });
                },
                {"layers.0.self_attn.q_proj.weight", "weight_format"}},
        Refusal{"int8_norm",
                "stored_int8",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) {
                    file["model.norm.weight"] = {"I8", {64}, std::string(64, 'x')};
                    file["model.norm.SCB"] = filled({64});
                  });
                },
                {"norm.weight"}}),
    by_case);

}  // namespace
}  // namespace preferd::checkpoint
