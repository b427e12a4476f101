"""What this machine's cores can do at most, and what that would be in tokens a second of the shipped models' encoder.

    python bench/machine.py [--threads 2] [--length 32 128]

The best of many products of two large matrices, in float32 and bfloat16 by PyTorch and in eight bits by ONNX Runtime.
A token takes 21.2 million operations in MiniLM-L6's products, and 9,216 more for each token beside it. Prints Markdown.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

ROWS, INNER, COLUMNS = 1024, 1536, 1536
OPERATIONS = 2 * ROWS * INNER * COLUMNS
PER_TOKEN = 21.2e6
PER_NEIGHBOUR = 9_216
SECONDS = 3.0


def floating(kind: torch.dtype) -> Callable[[], object]:
    """A product in PyTorch."""
    left, right = torch.randn(ROWS, INNER).to(kind), torch.randn(INNER, COLUMNS).to(kind)
    return lambda: left @ right


def eight_bits(threads: int) -> Callable[[], object]:
    """A product of U8 and S8 in ONNX Runtime."""
    chance = np.random.default_rng(42)
    weights = numpy_helper.from_array(chance.integers(-127, 127, (INNER, COLUMNS), np.int8), "weights")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["values", "weights"], ["product"])],
        "product",
        [helper.make_tensor_value_info("values", TensorProto.UINT8, [ROWS, INNER])],
        [helper.make_tensor_value_info("product", TensorProto.INT32, [ROWS, COLUMNS])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = chance.integers(0, 255, (ROWS, INNER), np.uint8)
    return lambda: session.run(None, {"values": values})


def best(product: Callable[[], object]) -> float:
    """Operations a second, of the quickest product."""
    product()
    quickest, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        product()
        quickest = min(quickest, time.perf_counter() - began)
    return OPERATIONS / quickest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--length", type=int, nargs="+", default=[32, 128])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    products = {
        "float32 (PyTorch)": floating(torch.float32),
        "bfloat16 (PyTorch)": floating(torch.bfloat16),
        "eight bits, U8 x S8 (ONNX Runtime)": eight_bits(options.threads),
    }
    print(f"{options.threads} threads\n")
    print("| | thousand million operations/s |" + "".join(f" thousand tokens/s at {n} |" for n in options.length))
    print("|---|--:|" + "--:|" * len(options.length))
    for name, product in products.items():
        speed = best(product)
        limits = (speed / (PER_TOKEN + PER_NEIGHBOUR * length) / 1000 for length in options.length)
        print(f"| {name} | {speed / 1e9:,.0f} |" + "".join(f" {limit:.0f} |" for limit in limits))


if __name__ == "__main__":
    main()
