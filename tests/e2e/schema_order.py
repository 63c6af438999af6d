"""The members of an instance in the order of its schema, as docs/schemas.md defines it. Which
branch of a schema an instance takes is for python3-jsonschema to say."""
import re
import warnings

import jsonschema

warnings.filterwarnings("ignore", category=DeprecationWarning, module="jsonschema")


class SchemaOrder:
    def __init__(self, root):
        self.root = root
        self.validator = jsonschema.validators.validator_for(root, jsonschema.Draft202012Validator)
        self.ignores_siblings = bool(re.search(r"draft-0[467]", str(root.get("$schema", ""))))
        self.resolver = jsonschema.RefResolver.from_schema(root)

    def order(self, value, schemas=None):
        """`value` once more, its members where `schemas`, all of which it follows, have them."""
        parts = []
        for schema in [self.root] if schemas is None else schemas:
            self.expand(schema, value, parts)
        if isinstance(value, dict):
            names = [name for part in parts for name in part.get("properties", {})]
            names += [name for part in parts for name in part.get("required", [])]
            names = [name for name in dict.fromkeys([*names, *value]) if name in value]
            return {name: self.order(value[name], self.members(parts, name)) for name in names}
        if isinstance(value, list):
            return [self.order(item, self.items(parts, i)) for i, item in enumerate(value)]
        return value

    def expand(self, schema, value, out):
        """`schema` and all that it says of `value` by reference or beside, as it stands there."""
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            with self.resolver.resolving(schema["$ref"]) as target:
                if not self.ignores_siblings:
                    out.append(schema)
                self.expand(target, value, out)
            if self.ignores_siblings:
                return
        else:
            out.append(schema)
        for branch in schema.get("allOf", []):
            self.expand(branch, value, out)
        for branch in [*schema.get("anyOf", []), *schema.get("oneOf", [])]:
            if self.is_valid(branch, value):
                self.expand(branch, value, out)
        if "if" in schema:
            holds = self.is_valid(schema["if"], value)
            self.expand(schema.get("then" if holds else "else"), value, out)
            self.expand(schema["if"], value, out)
        for keyword in ("dependencies", "dependentSchemas"):
            for name, branch in schema.get(keyword, {}).items():
                if isinstance(value, dict) and name in value:
                    self.expand(branch, value, out)

    def is_valid(self, schema, value):
        return self.validator(schema, resolver=self.resolver).is_valid(value)

    @staticmethod
    def members(parts, name):
        found = []
        for part in parts:
            own = [part["properties"][name]] if name in part.get("properties", {}) else []
            own += [schema for pattern, schema in part.get("patternProperties", {}).items()
                    if re.search(pattern, name)]
            found += own or [part.get("additionalProperties")]
        return found

    @staticmethod
    def items(parts, i):
        found = []
        for part in parts:
            first = part.get("prefixItems", part["items"] if isinstance(part.get("items"), list)
                             else [])
            rest = part.get("additionalItems" if isinstance(part.get("items"), list) else "items")
            found.append(first[i] if i < len(first) else rest)
        return found
