"""What the CPU can do: its features as far as they decide how fast, and how, models in eight bits calculate."""

from pathlib import Path

INT8_FEATURES = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
"""Those that add up products of eight bits without a detour."""

MODEL_FEATURES = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "amx_bf16", "avx512_bf16")


def exact_int8() -> bool:
    """Whether products of eight bits are added up without overflow: x86 needs VNNI or AMX for that."""
    return bool(INT8_FEATURES.intersection(features()))


def features(file: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Those of MODEL_FEATURES that the CPU has, in that order; none where the kernel does not say."""
    flags = _first(file, "flags").split()
    return tuple(feature for feature in MODEL_FEATURES if feature in flags)


def model(file: Path = Path("/proc/cpuinfo")) -> str:
    """Which CPU it is: vendor, family, model, stepping, name; what the kernel does not say is left out."""
    known = (_first(file, key) for key in ("vendor_id", "cpu family", "model", "stepping", "model name"))
    return " ".join(filter(None, known))


def _first(file: Path, key: str) -> str:
    """What the file says of the first processor under a key; empty where it says nothing."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), "")
