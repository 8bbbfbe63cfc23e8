"""What the CPU can do."""

from pathlib import Path


def has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 natively; without that it is many times slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
