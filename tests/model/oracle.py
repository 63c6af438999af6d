"""Computes the seeded weights and the rope tables a second time, in numpy, from their formulas, and
compares with what oracle_dump prints. Exit status 77 (skipped) where numpy is missing."""
import math
import subprocess
import sys

try:
    import numpy as np
except ImportError:
    print("SKIPPED: numpy is missing, so seeded weights and rope tables have no second opinion")
    sys.exit(77)

MASK = (1 << 64) - 1


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def weight_bits(seed, name, index):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    key = mix((seed + mix(h)) & MASK)
    word = mix((key + (index + 1) * 0x9E3779B97F4A7C15) & MASK)
    centered = np.float32(sum((word >> s) & 0xFFFF for s in (0, 16, 32, 48)) - 131070)
    bits = int((centered * np.float32(5.2858e-07)).view(np.uint32))
    return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16


def frequencies(kind, dim, theta=1e6, factor=4.0, window=32768, fast=32, slow=1):
    """All steps in float32, as Hugging Face takes them; numpy's own float32 power is an ulp off."""
    exponents = np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim)
    waves = np.power(theta, exponents.astype(np.float64)).astype(np.float32)
    plain = np.float32(1) / waves
    if kind == "plain":
        return plain, np.float32(1)

    def dimension(rotations):
        return dim * math.log(window / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    low, high = dimension(fast), dimension(slow)
    if kind == "yarn":
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    steps = np.arange(dim // 2, dtype=np.float32)
    keep = np.float32(1) - np.clip((steps - np.float32(low)) / np.float32(high - low), 0, 1)
    stretched = np.float32(1) / (np.float32(factor) * waves)
    mixed = stretched * (np.float32(1) - keep) + plain * keep
    return mixed.astype(np.float32), np.float32(0.1 * math.log(factor) + 1)


def check_rope(rows):
    """One rounding of the attention factor and one of the product are all that may differ."""
    worst = 0.0
    tables = {}
    for kind, dim, position, i, cos, sin in rows:
        freq, scale = tables.setdefault((kind, dim), frequencies(kind, int(dim)))
        f = freq[int(i)]
        angle = np.float32(f * np.float32(int(position)))
        for bits, expected in ((cos, np.cos(np.float64(angle))), (sin, np.sin(np.float64(angle)))):
            found = np.uint32(int(bits, 16)).view(np.float32)
            error = abs(float(found) - float(expected) * float(scale))
            worst = max(worst, error)
            assert error <= 1.5e-7, (kind, dim, position, i, found, expected * scale)
    return worst


def main():
    lines = subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in lines.splitlines()]
    weights = [row[1:] for row in rows if row[0] == "weight"]
    for seed, name, index, bits in weights:
        expected = weight_bits(int(seed), name, int(index))
        assert int(bits, 16) == expected, (seed, name, index, bits, hex(expected))
    rope = [row[1:] for row in rows if row[0] == "rope"]
    assert len(weights) == 36 and len(rope) == 3 * 7 * (32 + 64), (len(weights), len(rope))
    print(f"{len(weights)} weights equal; {len(rope)} rotations within {check_rope(rope):.2e}")


main()
