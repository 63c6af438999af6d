"""Read and write the safetensors format: 8-byte header length, JSON header, raw data."""

import json
import struct

import numpy as np
import torch


def write_bf16(path, tensors):
    """Write float tensors as bfloat16, in the order of the dictionary."""
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, tensor in tensors.items():
        bits = tensor.detach().to(torch.bfloat16).contiguous().view(torch.int16)
        blob = bits.numpy().astype("<i2").tobytes()
        header[name] = {
            "dtype": "BF16",
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # keeps the data aligned to eight bytes
    with open(path, "wb") as handle:
        handle.write(struct.pack("<Q", len(text)) + text)
        handle.writelines(blobs)


def read_bf16(path):
    """Return {name: float32 tensor} of a bfloat16 file."""
    with open(path, "rb") as handle:
        size = struct.unpack("<Q", handle.read(8))[0]
        header = json.loads(handle.read(size))
        data = handle.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        bits = np.frombuffer(data[start:end], "<u2").astype(np.uint32) << 16
        values = bits.view(np.float32).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors
