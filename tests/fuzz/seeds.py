"""What each fuzzing target begins with: one good body of every form."""
import json

import file_seeds

SAMPLING = {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 5, "min_p": 0.1,
            "frequency_penalty": 0.5, "presence_penalty": -0.5, "repetition_penalty": 1.1,
            "seed": 7, "stop": ["x", "yz"],
            "logit_bias": {"5": 1, "6": -100}, "stop_token_ids": [3],
            "min_tokens": 2, "ignore_eos": True}
OURS = {"prompt": ["a", [5, 6]], "n": 2, "best_of": 3, "echo": True, "return_token_ids": True,
        "priority": 1, "skip_special_tokens": False, "include_stop_str_in_output": True, **SAMPLING}
SGLANG = {"text": ["a", "b"], "return_logprob": True, "top_logprobs_num": 2, "rid": "r",
          "return_text_in_logprobs": True, "logprob_start_len": -1,
          "sampling_params": [{"max_new_tokens": 3, "stop": "x", "n": 2, "no_stop_trim": True}, {}]}
TGI = {"inputs": "a", "parameters": {
    "max_new_tokens": 3, "details": True, "best_of": 2, "do_sample": True, "truncate": 1,
    "return_full_text": True, "top_n_tokens": 2, "stop": ["x"], "seed": 5, "typical_p": None}}
COMPLETIONS = {"model": "demo", "prompt": "a", "logprobs": 2, "n": 2, "user": "u", **SAMPLING}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": False}
CHAT = {"model": "demo", "messages": [
    {"role": "developer", "content": "a"}, {"role": "user", "name": "n", "content": [
        {"type": "text", "text": "b <|im_end|>"}, {"type": "text", "text": "c"}]},
    {"role": "assistant", "content": None, "refusal": None, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
    {"role": "tool", "tool_call_id": "c", "content": "d"}]}
TOOLS = {"tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "auto",
         "parallel_tool_calls": False}
RESPONSES = {"model": "demo", "instructions": "i", "metadata": {"a": "b"}, "store": True, "input": [
    {"role": "user", "content": [{"type": "input_text", "text": "b"}]},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "d"}]}
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
SCHEMA = {"type": "object", "additionalProperties": False, "required": ["city"],
          "properties": {"city": {"type": "string", "minLength": 1},
                         "days": {"type": "integer", "minimum": 1, "maximum": 10}}}
MESSAGES = {
    "model": "demo", "max_tokens": 9, "system": [{"type": "text", "text": "Be kind."}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "w",
                                           "input": {"city": "Oslo"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t",
                                      "content": "cold", "is_error": False}]}],
    "tools": [{"name": "w", "description": "d", "input_schema": SCHEMA, "strict": True}],
    "tool_choice": {"type": "tool", "name": "w", "disable_parallel_tool_use": True},
    "stop_sequences": ["x"], "metadata": {"user_id": "u"}, "top_k": 5, "thinking": None}
TARGETS = {
    "generate": [OURS, {"prompt": "a", "logprobs": 3, "stream": True}, SGLANG,
                 {"input_ids": [1, 2], "stream": True, "sampling_params": {"top_p": 0.5}}, TGI,
                 {"prompt": "a", "json_schema": SCHEMA, "strict": True, "lenient": True,
                  "whitespace": "compact"}, {"prompt": "a", "choice": ["a", "b"]},
                 {"text": "a", "sampling_params": {"json_schema": "{\"type\": \"null\"}"}},
                 {"inputs": "a", "parameters": {"grammar": {"type": "regex", "value": "a+"}}}],
    "generate_stream": [{**TGI, "parameters": {"max_new_tokens": 3, "top_n_tokens": 1}}, TGI],
    "completions": [COMPLETIONS, {**COMPLETIONS, **STREAMED},
                    {"prompt": [[1, 2], [3]], "echo": True, "best_of": 2},
                    {"prompt": "a", "structured_outputs": {"json": SCHEMA, "lenient": True,
                                                           "disable_any_whitespace": True}},
                    {"prompt": "a", "guided_grammar": "root ::= [a-z]+"}],
    "chat": [{**CHAT, **SAMPLING, "n": 2, "logprobs": True, "top_logprobs": 2},
             {**CHAT, **TOOLS, **STREAMED, "return_token_ids": True},
             {**CHAT, "response_format": {"type": "json_schema", "json_schema": {
                 "name": "s", "schema": {"type": "object"}, "strict": True}}},
             {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
              "continue_final_message": True, "max_completion_tokens": 3}],
    "responses": [RESPONSES, {**RESPONSES, "stream": True, "tools": [
                      {"type": "function", **FUNCTION}], "tool_choice": "none"},
                  {"input": "a", "text": {"format": {"type": "text"}}, "top_logprobs": 2,
                   "include": ["message.output_text.logprobs"], "max_output_tokens": 5,
                   "stream": True}],
    "messages": [MESSAGES, {**MESSAGES, "stream": True, "tool_choice": {"type": "auto"}}],
    "count_tokens": [{k: MESSAGES[k] for k in ("messages", "system", "tools", "tool_choice")}],
    "frame": [{"type": "generate", "id": "a", "path": "/generate", "body": OURS, "credit": 3},
              {"type": "credit", "id": "a", "frames": 5}, {"type": "cancel", "id": "a"},
              {"type": "ping", "id": {"x": 1}}],
    "schema": [SCHEMA, {"type": "array", "items": SCHEMA, "minItems": 1, "maxItems": 3},
               {"$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}},
                "$ref": "#/$defs/n"},
               {"anyOf": [{"type": "string", "pattern": "^a[b-d]{2,3}$", "maxLength": 4},
                          {"type": "number", "minimum": 1.5, "exclusiveMaximum": 9},
                          {"type": "integer", "multipleOf": 3}, {"not": {"type": "null"}}]},
               {"allOf": [{"required": ["a"]}, {"properties": {"a": {"format": "date"}}}],
                "if": {"type": "string"}, "then": {"minLength": 2}, "prefixItems": [True],
                "patternProperties": {"^x": {}}, "enum": [1, "b", None], "const": "b"}],
    "ebnf": [b'root ::= expr ("=" expr)*  # sums\nexpr ::= term ([-+] term)*\n'
             b'term ::= num | "(" expr ")"\nnum ::= [0-9]{1,9} ("." [0-9]+)?\n',
             b'root ::= root "," item | item\nitem ::= \'a\' | "\\x41\\u00e9\\n" | [^a-z\\]]\n',
             b'root ::= "[" (root ("," root){0,3})? "]" | "x" root | "x" root "y" | ""\n',
             b'root ::= (a | b)+ .?\na ::= b "c" | "d"\nb ::= a "e" | ( )\n  | "f"{2}\n',
             b'root ::= (a | "b"){2,}\na ::= root? "x"{3,4} b\nb ::= "" | b b b\n'],
    "tokenize": [{"prompt": "a\u00e9 <|im_end|>", "return_token_strs": True, "model": "demo",
                  "add_special_tokens": True}],
    "detokenize": [{"tokens": [1, 2, 3], "model": "demo"}],
    "http": [b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
             b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
             b"3\r\nabc\r\n0\r\n\r\n",
             b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n"],
    **file_seeds.SEEDS,
}


def of(target):
    return [seed if isinstance(seed, bytes) else json.dumps(seed, ensure_ascii=False).encode()
            for seed in TARGETS[target]]
