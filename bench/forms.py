"""What the peers of bench/speed.py run: the forms that their own libraries make of one checkpoint, in its folder.

    python bench/forms.py onnx|nncf CHECKPOINT TEXTS

`onnx` writes optimum's export and its dynamic int8 beside the weights, where optimum, sentence-transformers and
infinity look for them; `nncf` an int8 model for OpenVINO, calibrated on the texts (a JSON list), in NNCF's environment.
"""

import json
import sys
from pathlib import Path

LONGEST = 128
ONNX, SMALL, NNCF = "onnx/model.onnx", "onnx/model_quantized.onnx", "openvino/openvino_model_int8.xml"


def onnx(checkpoint: Path, _: Path) -> None:
    """Optimum's export in float32, and what its quantizer makes of that for processors with VNNI."""
    from optimum.onnxruntime import AutoQuantizationConfig, ORTModelForSequenceClassification, ORTQuantizer

    model = ORTModelForSequenceClassification.from_pretrained(checkpoint, export=True)
    model.save_pretrained(checkpoint / "onnx")
    config = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
    ORTQuantizer.from_pretrained(model).quantize(save_dir=checkpoint / "onnx", quantization_config=config)


def nncf(checkpoint: Path, texts: Path) -> None:
    """NNCF's static int8 of the export, by its settings for transformers, on 300 texts."""
    import nncf as library
    import openvino
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    model = openvino.Core().read_model(checkpoint / ONNX)
    names = {item.get_any_name() for item in model.inputs}

    def inputs(text: str) -> dict[str, object]:
        found = tokenizer(text, truncation=True, max_length=LONGEST, return_tensors="np")
        return {name: found[name] for name in names}

    said = json.loads(texts.read_text(encoding="utf-8"))
    data = library.Dataset(said, inputs)
    small = library.quantize(model, data, model_type=library.ModelType.TRANSFORMER, subset_size=300)
    (checkpoint / NNCF).parent.mkdir(exist_ok=True)
    openvino.save_model(small, checkpoint / NNCF)


if __name__ == "__main__":
    {"onnx": onnx, "nncf": nncf}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
