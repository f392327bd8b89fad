#!/usr/bin/python3
"""Every manifest that the engine can emit against Kubernetes' own strict schemas, 1.25 to 1.37.

The objects come from the unit test that makes them all (tests/unit/engine/test_kube_emitted.c); those of one shape differ in names and
numbers only and are tried once.  The schemas are those of kubernetes-validate from PyPI, kept in $CODINGLAB_CACHE.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import cases

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("CODINGLAB_TEST_BIN", ROOT / "build/dev/bin"))
VALIDATOR = "kubernetes-validate==1.37.0"
VERSIONS = [f"1.{n}" for n in range(25, 38)]
GONE = {"policy/v1beta1": "1.24"}  # served until; asked for by discovery only where policy/v1 is not there


def validator():
    home = pathlib.Path(os.environ.get("CODINGLAB_CACHE", "/var/cache/codinglab")) / "python-kubernetes-validate"
    if not (home / "kubernetes_validate").is_dir():
        p = subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--root-user-action=ignore", "--target", home, VALIDATOR],
                           capture_output=True, text=True, timeout=300)
        if p.returncode:
            raise cases.Skip(f"{VALIDATOR} is not to be had: {p.stderr.strip().splitlines()[-1:]}")
    sys.path.insert(0, str(home))
    import kubernetes_validate
    return kubernetes_validate


def shape(o):
    """The object with every string and number replaced by its type: enough to tell one shape from another."""
    if isinstance(o, dict):
        return {k: shape(v) if k not in ("kind", "apiVersion") else v for k, v in sorted(o.items())}
    return [shape(v) for v in o] if isinstance(o, list) else type(o).__name__


def emitted():
    with tempfile.NamedTemporaryFile("r") as f:
        subprocess.run([BIN / "unit_engine_test_kube_emitted"], env={**os.environ, "CODINGLAB_MANIFESTS": f.name}, check=True, capture_output=True)
        shapes, n = {}, 0
        for line in f:
            o, n = json.loads(line), n + 1
            shapes.setdefault(json.dumps(shape(o)), o)
    return list(shapes.values()), n


def test_every_shape_in_every_version(objects, n):
    v, bad, tried = validator(), [], 0
    for o in objects:
        for version in VERSIONS:
            if o["apiVersion"] in GONE:
                continue
            try:
                v.validate(o, version, strict=True)
            except Exception as e:
                bad.append(f"{version} {o['kind']} {o['metadata']['name']}: {type(e).__name__} {str(e)[:300]}")
            tried += 1
    assert not bad, "\n".join(bad[:10])
    assert tried >= len(VERSIONS) * 50 and n > 10000, (tried, n)


def test_the_schemas_refuse_what_is_wrong(objects, n):
    v = validator()
    d = next(o for o in objects if o["kind"] == "Deployment")
    for wrong in ({**d, "spec": {**d["spec"], "replica": 1}}, {**d, "spec": {**d["spec"], "template": 1}}, {**d, "apiVersion": "apps/v9"}):
        try:
            v.validate(wrong, "1.30", strict=True)
        except Exception:
            continue
        raise AssertionError(f"accepted: {json.dumps(wrong)[:200]}")


def test_only_versions_that_all_have(objects, n):
    """apiVersions that exist from 1.20 until today; the budgets' are found by discovery."""
    assert {o["apiVersion"] for o in objects} <= {"v1", "apps/v1", "networking.k8s.io/v1", "autoscaling/v1", "policy/v1", "policy/v1beta1"}


def deployment():
    """What brings CodingLab's own programs up on a cluster."""
    import yaml
    return [o for o in yaml.safe_load_all((ROOT / "docs/deploy/kubernetes.yaml").read_text()) if o]


def test_the_deployment_in_every_version(objects, n):
    v, ours = validator(), deployment()
    for o in ours:
        for version in VERSIONS:
            v.validate(o, version, strict=True)
    assert {o["apiVersion"] for o in ours} <= {"v1", "apps/v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1"}


def test_the_deployment_asks_for_no_more_than_it_says(objects, n):
    ours = deployment()
    roles = {o["metadata"]["name"]: o["rules"] for o in ours if o["kind"] == "ClusterRole"}
    assert set(roles) == {"codinglab-engine", "codinglab-environment"}
    for rules in roles.values():
        for r in rules:
            assert "*" not in r["verbs"] + r["resources"] + r["apiGroups"], r
            assert not {"escalate", "impersonate"} & set(r["verbs"]) and not {"nodes/proxy", "pods/ephemeralcontainers"} & set(r["resources"]), r
    everywhere = {x for r in roles["codinglab-engine"] for x in r["resources"]}
    assert not everywhere & {"secrets", "configmaps", "pods/exec"}, everywhere
    assert all(r.get("resourceNames") == ["codinglab-environment"] for r in roles["codinglab-engine"] if "bind" in r["verbs"])
    pod = next(o for o in ours if o["kind"] == "Deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert [c["name"] for c in pod["containers"] if any(m["name"] == "account" for m in c["volumeMounts"])] == ["engine"]
    assert [c["name"] for c in pod["containers"] if c["securityContext"].get("privileged")] == ["builder"]
    for c in pod["containers"] + pod["initContainers"]:
        if c["name"] != "builder":
            assert c["securityContext"]["allowPrivilegeEscalation"] is False and c["securityContext"]["capabilities"]["drop"] == ["ALL"], c["name"]


if __name__ == "__main__":
    sys.exit(bool(cases.main(globals(), *emitted())))
