"""Does a value fit a schema of the OpenAPI file?  Enough of JSON Schema for what the engine prints."""
import re


def fits(doc, schema, value, at="reply"):
    """None, or what is wrong."""
    if "$ref" in schema:
        node = doc
        for part in schema["$ref"].lstrip("#/").split("/"):
            node = node[part]
        return fits(doc, node, value, at)
    if "anyOf" in schema:
        whys = [fits(doc, s, value, at) for s in schema["anyOf"]]
        return None if None in whys else whys[0]
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds or []
    if kinds and not any(is_kind(k, value) for k in kinds):
        return f"{at}: {value!r} is no {kinds}"
    if isinstance(value, str):
        return text_fits(schema, value, at)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            return f"{at}: {value} is out of range"
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return f"{at}: {len(value)} entries"
        for i, item in enumerate(value):
            if (why := fits(doc, schema["items"], item, f"{at}[{i}]")):
                return why
    if isinstance(value, dict):
        return object_fits(doc, schema, value, at)
    return None


def is_kind(kind, value):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {"string": isinstance(value, str), "boolean": isinstance(value, bool), "null": value is None,
            "integer": isinstance(value, int) and not isinstance(value, bool), "number": number,
            "array": isinstance(value, list), "object": isinstance(value, dict)}[kind]


def text_fits(schema, value, at):
    n = len(value.encode())
    if not schema.get("minLength", 0) <= n <= schema.get("maxLength", n):
        return f"{at}: {n} bytes"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{at}: {value!r} does not match {schema['pattern']}"
    if schema.get("format") == "date-time" and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value):
        return f"{at}: {value!r} is no time"
    return None


def object_fits(doc, schema, value, at):
    known = schema.get("properties")
    for name in schema.get("required", []):
        if name not in value:
            return f"{at}.{name}: is missing"
    if known is None:
        return None
    for name, item in value.items():
        if name not in known:
            return f"{at}.{name}: is not in the schema"
        if (why := fits(doc, known[name], item, f"{at}.{name}")):
            return why
    return None
