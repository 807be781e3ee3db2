#!/usr/bin/env python3
"""A tiny model with the interface of smart-turn v3, with RANDOM WEIGHTS: for tests, it knows nothing of turns.

    python3 scripts/models/smart_turn_tiny.py audio-models/tiny/smart_turn.onnx

`input_features` [batch, 80, 800], float32: the log-mel spectrogram of the last 8 s. `logits` [batch, 1]: a probability.
The mean of each band over time, a linear layer and a sigmoid. Needs numpy and onnx.
"""
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

random = numpy.random.default_rng(20251125)
weights = random.normal(0, 0.3, (80, 1)).astype("float32")
graph = helper.make_graph(
    [
        helper.make_node("ReduceMean", ["input_features"], ["bands"], axes=[2], keepdims=0),
        helper.make_node("Gemm", ["bands", "weights", "bias"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["logits"]),
    ],
    "smart-turn-interface-random-weights",
    [helper.make_tensor_value_info("input_features", TensorProto.FLOAT, ["batch", 80, 800])],
    [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])],
    [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(numpy.zeros(1, "float32"), "bias")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="tipring")
model.doc_string = "RANDOM WEIGHTS, for tests: the interface of smart-turn v3 without its knowledge"
onnx.checker.check_model(model)
with open(sys.argv[1], "wb") as file:
    file.write(model.SerializeToString())
