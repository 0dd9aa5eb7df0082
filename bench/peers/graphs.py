"""The model as CTranslate2, ONNX Runtime and OpenVINO read it: token ids [1, T] in, the last token's state after the final norm out
(CTranslate2: all tokens')."""
import numpy as np

from models import DIM, EPS, FFN, HEADS, HIDDEN, KV_HEADS, LAYERS, THETA, VOCAB, path, weights

POSITIONS = 4096
BLOCK = {"q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj", "gate": "mlp.gate_proj",
         "up": "mlp.up_proj", "down": "mlp.down_proj", "norm1": "input_layernorm", "norm2": "post_attention_layernorm"}


def blocks(w):
    for i in range(LAYERS):
        yield {k: w[f"model.layers.{i}.{n}.weight"] for k, n in BLOCK.items()}


def rotary():
    """cos and sin [positions, DIM / 2]."""
    angle = np.outer(np.arange(POSITIONS), THETA ** (-np.arange(0, DIM, 2) / DIM))
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def make_ct2(out, home, quantization):
    """The LM head is the identity, so that the engine's logits are the states: 0.3 % more work in place of 27 %."""
    from ctranslate2.specs import attention_spec, common_spec, transformer_spec
    from ctranslate2.converters import utils
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        LAYERS, HEADS, activation=common_spec.Activation.SWISH, pre_norm=True, ffn_glu=True, rms_norm=True, rotary_dim=0,
        rotary_interleave=False, rotary_base=THETA, num_heads_kv=KV_HEADS)
    w = weights(home)
    d = spec.decoder
    d.scale_embeddings = False
    d.embeddings.weight = w["model.embed_tokens.weight"]
    d.layer_norm.gamma = w["model.norm.weight"]
    d.projection.weight = np.eye(HIDDEN, dtype=np.float32)
    for layer, b in zip(d.layer, blocks(w)):
        layer.self_attention.layer_norm.gamma, layer.ffn.layer_norm.gamma = b["norm1"], b["norm2"]
        layer.self_attention.linear[0].weight = np.concatenate([b["q"], b["k"], b["v"]])
        layer.self_attention.linear[1].weight = b["o"]
        layer.ffn.linear_0.weight, layer.ffn.linear_0_noact.weight, layer.ffn.linear_1.weight = b["gate"], b["up"], b["down"]
    spec.register_vocabulary([f"t{i}" for i in range(VOCAB)])
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = "t1", "t2", "t0"
    spec.config.layer_norm_epsilon = EPS
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(out))


def make_onnx(out, home):
    """com.microsoft's fused operators: GroupQueryAttention with rotation over packed q, k, v, skip and RMS norms, QuickGelu as SiLU."""
    import onnx
    from onnx import TensorProto as T, helper as h, numpy_helper
    w, nodes, tensors = weights(home), [], []

    def constant(name, a):
        tensors.append(numpy_helper.from_array(np.ascontiguousarray(a), name))
        return name

    def node(op, inputs, outputs, domain="", **attributes):
        nodes.append(h.make_node(op, inputs, outputs, domain=domain, **attributes))
        return outputs[-1]

    cos, sin = rotary()
    constant("cos", cos), constant("sin", sin), constant("embedding", w["model.embed_tokens.weight"])
    constant("nothing", np.zeros((1, KV_HEADS, 0, DIM), np.float32)), constant("final", w["model.norm.weight"])
    constant("one", np.array(1, np.int64)), constant("minus one", np.array([-1], np.int64))
    node("Shape", ["ids"], ["shape"])
    length = node("Gather", ["shape", "one"], ["length"])
    node("Cast", [length], ["total"], to=T.INT32)
    constant("one32", np.array(1, np.int32)), constant("row", np.array([1], np.int64))
    node("Sub", ["total", "one32"], ["last"])
    node("Reshape", ["last", "row"], ["lengths"])
    x = node("Gather", ["embedding", "ids"], ["x"])
    for i, b in enumerate(blocks(w)):
        at = f"{i}."
        if i == 0:
            n = node("SimplifiedLayerNormalization", [x, constant(at + "norm1", b["norm1"])], [at + "n"], epsilon=EPS, axis=-1)
        else:
            n, x = at + "n", at + "x"
            node("SkipSimplifiedLayerNormalization", [residual, mlp, constant(at + "norm1", b["norm1"])], [n, "", "", x],
                 "com.microsoft", epsilon=EPS)
        qkv = node("MatMul", [n, constant(at + "qkv", np.concatenate([b["q"], b["k"], b["v"]]).T)], [at + "qkv_"])
        a = at + "a"
        node("GroupQueryAttention", [qkv, "", "", "nothing", "nothing", "lengths", "total", "cos", "sin"], [a, at + "pk", at + "pv"],
             "com.microsoft", num_heads=HEADS, kv_num_heads=KV_HEADS, do_rotary=1)
        o = node("MatMul", [a, constant(at + "o", b["o"].T)], [at + "o_"])
        n2, residual = at + "n2", at + "r"
        node("SkipSimplifiedLayerNormalization", [x, o, constant(at + "norm2", b["norm2"])], [n2, "", "", residual], "com.microsoft",
             epsilon=EPS)
        gate = node("MatMul", [n2, constant(at + "gate", b["gate"].T)], [at + "g_"])
        up = node("MatMul", [n2, constant(at + "up", b["up"].T)], [at + "u_"])
        act = node("QuickGelu", [gate], [at + "s"], "com.microsoft", alpha=1.0)
        inner = node("Mul", [act, up], [at + "i"])
        mlp = node("MatMul", [inner, constant(at + "down", b["down"].T)], [at + "d_"])
    end = node("Add", [residual, mlp], ["end"])
    tail = node("Gather", [end, "minus one"], ["tail"], axis=1)
    node("SimplifiedLayerNormalization", [tail, "final"], ["state"], epsilon=EPS, axis=-1)
    graph = h.make_graph(nodes, "llama", [h.make_tensor_value_info("ids", T.INT64, [1, "T"])],
                         [h.make_tensor_value_info("state", T.FLOAT, [1, 1, HIDDEN])], tensors)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17), h.make_opsetid("com.microsoft", 1)], ir_version=9)
    onnx.save(model, out / "model.onnx")


def make_onnx_int8(out, home):
    """Its default, one scale per weight. With per_channel=True the cosine is .95 with VNNI and .12 with AVX2, whose sums saturate."""
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(path(home, "onnx") / "model.onnx", out / "model.onnx", op_types_to_quantize=["MatMul"],
                     weight_type=QuantType.QInt8, extra_options={"DefaultTensorType": TensorProto.FLOAT})


def make_openvino(out, home):
    """Traced from a module of plain torch operators: SDPA, RMS norm and rotation are what its plugin knows to fuse."""
    import openvino as ov
    import torch
    from torch import nn
    import torch.nn.functional as F

    class Model(nn.Module):
        def __init__(self, w):
            super().__init__()
            keep = lambda a: nn.Parameter(torch.from_numpy(np.array(a)), requires_grad=False)
            self.embedding, self.norm = keep(w["model.embed_tokens.weight"]), keep(w["model.norm.weight"])
            self.blocks = nn.ModuleList(nn.ParameterDict({k: keep(v) for k, v in b.items()}) for b in blocks(w))
            cos, sin = rotary()
            self.cos, self.sin = keep(np.concatenate([cos, cos], 1)), keep(np.concatenate([sin, sin], 1))

        @staticmethod
        def rms(x, weight):
            return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS))

        def forward(self, ids):
            cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
            turn = lambda t: t * cos + torch.cat([-t[..., DIM // 2:], t[..., : DIM // 2]], -1) * sin
            heads = lambda t, n: t.view(1, -1, n, DIM).transpose(1, 2)
            x = F.embedding(ids, self.embedding)
            for b in self.blocks:
                n = self.rms(x, b["norm1"])
                q, k, v = (heads(F.linear(n, b[name]), count) for name, count in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)))
                k, v = (t.repeat_interleave(HEADS // KV_HEADS, 1) for t in (turn(k), v))
                a = F.scaled_dot_product_attention(turn(q), k, v, is_causal=True)
                x = x + F.linear(a.transpose(1, 2).reshape(1, -1, HIDDEN), b["o"])
                n = self.rms(x, b["norm2"])
                x = x + F.linear(F.silu(F.linear(n, b["gate"])) * F.linear(n, b["up"]), b["down"])
            return self.rms(x[:, -1], self.norm)

    with torch.no_grad():
        model = ov.convert_model(Model(weights(home)).eval(), example_input=torch.ones(1, 7, dtype=torch.long),
                                 input=ov.PartialShape([1, -1]))
    ov.save_model(model, out / "model.xml", compress_to_fp16=False)
