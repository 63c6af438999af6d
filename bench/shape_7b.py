"""A model directory with the shape of a 7B and no weights: --device sim reads none."""
import json
import pathlib
import shutil

DEMO = pathlib.Path(__file__).resolve().parents[1] / "models" / "demo"
SHAPE_7B = dict(hidden_size=3584, intermediate_size=18944, num_hidden_layers=28,
                num_attention_heads=28, num_key_value_heads=4, vocab_size=152064,
                max_position_embeddings=16384, tie_word_embeddings=False)


def make_shape(folder):
    """Makes it below `folder`, with the demo's tokenizer."""
    model = pathlib.Path(folder) / "7b"
    shutil.copytree(DEMO, model, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, **SHAPE_7B}))
    return model
