"""What the targets of files, lines and messages between processes begin with."""
import json
import struct


def safetensors(header, num_data=0):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * num_data


def tensor(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def spelled():
    """GPT-2's alphabet: a visible character for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(others)) for b in range(256)]


def tokenizer(**more):
    letters = spelled()
    vocab = {letter: i for i, letter in enumerate(letters)}
    vocab |= {"ab": 256, "abc": 257}
    pattern = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
               "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")
    return {"added_tokens": [{"id": 258, "content": "<|end|>", "special": True}],
            "normalizer": {"type": "NFC"},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
                 "invert": False}, {"type": "ByteLevel", "use_regex": False}]},
            "decoder": {"type": "ByteLevel"},
            "model": {"type": "BPE", "vocab": vocab, "merges": ["a b", ["ab", "c"]], **more}}


def text_of(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


SHAPE = {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "hidden_act": "silu",
         "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 300,
         "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
         "rms_norm_eps": 1e-6, "rope_theta": 1e6, "torch_dtype": "bfloat16"}
YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128, "mscale": 1,
        "mscale_all_dim": 1, "beta_fast": 32, "beta_slow": 1, "attention_factor": 1.1}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}
GPTQ = {"quant_method": "gptq", "bits": 8, "group_size": -1, "desc_act": False, "sym": True,
        "modules_to_not_convert": ["lm_head"]}
CALL = (b'Hi <tool_call>\n{"name": "f", "arguments": {"a": "b\\n", "c": [1, {"d": null}]}}\n'
        b"</tool_call>")
KEY = {"kind": 2, "schema": {"type": "object"}, "text": "", "choices": [], "strict": False,
       "lenient": False, "whitespace": 0, "tools": [], "must_call": False, "may_repeat": True}


def frame(opcode, payload, first=0x80):
    mask = b"\1\2\3\4"
    body = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else \
        b"\xfe" + struct.pack(">H", len(payload))
    return bytes([first | opcode]) + size + mask + body


SEEDS = {
    "safetensors": [
        safetensors({"a": tensor([1, 2], 0, 8), "b": tensor([], 8, 12), "__metadata__": {"x": "y"}},
                    12),
        safetensors({"a": tensor([0, 3], 0, 0, "BF16"), "b": tensor([2], 0, 4, "F16")}, 4),
        safetensors({"a": tensor([4194305, 4194305, 211106198978564], 0, 4)}, 4),
        safetensors({"a": tensor([1], 0, 4, "I32")}, 8), b"\xff" * 8 + b"{}"],
    "shard_index": [{"metadata": {"total_size": 4}, "weight_map": {"a": "one.safetensors"}},
                    {"weight_map": {"a": "../one.safetensors"}},
                    {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}],
    "config": [SHAPE, {**SHAPE, "rope_scaling": YARN}, {**SHAPE, "quantization_config": AWQ},
               {**SHAPE, "quantization_config": GPTQ, "tie_word_embeddings": True},
               {**SHAPE, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5},
                "head_dim": 32, "use_sliding_window": True, "sliding_window": 64,
                "max_window_layers": 1, "layer_types": ["full_attention"], "dtype": "float32"}],
    "generation_config": [
        {"eos_token_id": [1, 2], "temperature": 0.7, "top_p": 0.8, "top_k": 20,
         "repetition_penalty": 1.05}, {"eos_token_id": None, "top_k": -1}, {"eos_token_id": 5}],
    "tokenizer": [text_of(tokenizer()), text_of(tokenizer(dropout=None, unk_token=""))],
    "tokenizer_config": [
        {"added_tokens_decoder": {"270": {"content": "<late>", "special": True}}},
        {"chat_template": "{% for message in messages %}", "added_tokens_decoder": {
            "-1": {"content": "x"}}},
        {"chat_template": [{"name": "default", "template": "{{ 1 }}"}]}],
    "template": [b"{%- if tools %}\n{{- '<|im_start|>system\\n' }}", b"{{ x.__class__ }}"],
    "json": [b'{"a": [1, -0, 1.5e300, 18446744073709551615, 1e999, "\\ud83d\\ude00\\u0000"]}',
             b'[true, false, null, "", {}, []]', b'123456789012345678901234567890.5'],
    "events": [b"\xef\xbb\xbf: hi\r\nevent: x\ndata: a\ndata:b\rid: 5\r\nretry: 100\n\n",
               b"data\n\ndata: [DONE]\n\n"],
    "url": [b"http://127.0.0.1:8080/a/b", b"https://[::1]:443/", b"http://h"],
    "tool_calls": [CALL, b'<tool_call>{"arguments": "{}", "name": "g"}</tool_call>' + CALL,
                   b"<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1"],
    "detokenizer": [bytes(range(64)), b"\x01\x02\xff\xff\x00\x00"],
    "config_file": [b'# c\nmodel = "m"\nport = 80\n[engine]\nmax-num-seqs = 3\nx = [1, "b", true]\n'
                    b'y = 1.5e3\nz = """a\nb"""\n', b"a = 1979-05-27\n", b"[a.b]\nc = {d = 1}\n"],
    "keys": [b"# who\nalice sk-a\nbob sk-b rate=2r/s burst=4 tokens=100/min\n", b"a b\r\na c\n"],
    "conversation": [
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]},
        {"choices": [{"delta": {"content": "x"}}], "usage": {"completion_tokens": 3}},
        {"error": {"message": "no \u001b[31m"}}, {"data": [{"id": "m"}]}, b"[DONE]"],
    "headers": [b"X-Forwarded-For: 1.2.3.4, 10.0.0.2\nX-Forwarded-Proto: https\nOrigin: null",
                b"Upgrade: websocket\nConnection: keep-alive, Upgrade\nSec-WebSocket-Version: 13\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
                b"Sec-WebSocket-Protocol: troupe.key.abc, chat",
                b"Authorization: Bearer  k\nOrigin: https://chat.example\n"
                b"Access-Control-Request-Method: POST\nAccess-Control-Request-Headers: x, y",
                b"X-Forwarded-For: [fd00::2]:80, fe80::1%eth0, garbage"],
    "flags": [b"64MiB", b"1.5GB", b"250ms", b"2m", b"30r/m", b"100000/min", b"10.0.0.0/8",
              b"fd00::/8", b"https://a.example:8443", b"Mon-Fri 08:00-20:00=2..5",
              b"Fri-Mon,Wed 00:00-24:00=1..9"],
    "wire": [bytes([which]) + bytes(size) for which in range(11) for size in (8, 200)],
    "grammar_key": [KEY, {**KEY, "kind": 3, "text": "a+"}, {**KEY, "kind": 4, "choices": ["a"]},
                    {**KEY, "kind": 6, "tools": [{"name": "f", "parameters": {}, "strict": True,
                                                  "lenient": False}], "instead": KEY}],
    "websocket": [frame(1, b"hello") + frame(9, b"x") + frame(8, b"\x03\xe8"),
                  frame(1, b"a" * 200, 0) + frame(0, b"b" * 200), frame(2, b"\xff"),
                  frame(1, b"\xe2\x82"), b"\x81\x05hello"],
    "regex": [b"^a[b-d]{2,3}$", b"(a|b)*c+?d??", b"\\d\\w\\s\\u00e9\\x41[^a-z]\\p{L}",
              b"(?:ab|cd){1,9}|x", b"(?=a)b", b"[\\]\\-a]+."],
}
