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
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return tuple(feature for feature in MODEL_FEATURES if feature in flags)
