"""Definitions of clusters: what they may hold, how they are built, what they load."""

from __future__ import annotations

import getpass
import json
import pickle
from datetime import datetime, timedelta, timezone

import attrs
import pytest

from geneva.cluster import GenevaCluster, GenevaClusterType
from geneva.cluster.builder import ExternalRayClusterBuilder, LocalRayClusterBuilder
from geneva.errors import InvalidArgumentError
from tests.unit.test_imports import HEAVY, loaded_by

ADDRESS = "10.0.0.1:6379"
ENVIRONMENT = {"runtime_env": {"env_vars": {"A": "1"}, "pip": ["numpy"]}, "log_to_driver": False}


def external(**kwargs) -> GenevaCluster:
    return GenevaCluster.create_external("prod", ADDRESS).ray_init_kwargs(kwargs).build()


def test_an_external_cluster():
    before = datetime.now(timezone.utc)
    cluster = GenevaCluster.create_external("prod", ADDRESS).build()
    assert cluster.cluster_type is GenevaClusterType.EXTERNAL_RAY
    assert (cluster.name, cluster.ray_address, cluster.ray_init_kwargs) == ("prod", ADDRESS, {})
    assert before <= cluster.created_at <= datetime.now(timezone.utc)
    assert cluster.created_by == getpass.getuser()


def test_a_local_cluster():
    cluster = GenevaCluster.create_local("laptop").ray_init_kwargs(ENVIRONMENT).build()
    assert cluster.cluster_type is GenevaClusterType.LOCAL_RAY
    assert (cluster.name, cluster.ray_address) == ("laptop", None)
    assert cluster.ray_init_kwargs == ENVIRONMENT


def test_builders_are_fluent_in_any_order():
    first = ExternalRayClusterBuilder().ray_init_kwargs(ENVIRONMENT).ray_address(ADDRESS)
    cluster = first.name("prod").build()
    assert (cluster.name, cluster.ray_address) == ("prod", ADDRESS)
    assert LocalRayClusterBuilder().name("laptop").build().name == "laptop"
    assert isinstance(GenevaCluster.create_external("prod", ADDRESS), ExternalRayClusterBuilder)
    assert isinstance(GenevaCluster.create_local("laptop"), LocalRayClusterBuilder)


@pytest.mark.parametrize("builder", [ExternalRayClusterBuilder(), LocalRayClusterBuilder()])
def test_a_name_is_needed(builder):
    with pytest.raises(InvalidArgumentError, match=r"^name=''; expected"):
        builder.build()


def test_a_definition_does_not_change_with_what_it_was_made_from():
    given = {"runtime_env": {"pip": ["numpy"]}}
    cluster = external(**given)
    given["runtime_env"]["pip"].append("ray")
    cluster.as_dict()["ray_init_kwargs"]["runtime_env"]["pip"].append("ray")
    assert cluster.ray_init_kwargs == {"runtime_env": {"pip": ["numpy"]}}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        cluster.name = "other"


@pytest.mark.parametrize("name", ["a", "0", "prod", "prod-2", "a--b", "a" * 63])
def test_names_that_can_be_used(name):
    assert GenevaCluster.create_local(name).build().name == name


@pytest.mark.parametrize(
    "name",
    ["", "Prod", "a_b", "a.b", "-a", "a-", "a b", "a\n", "ä", "a/b", "..", "a" * 64, None, 3],
)
def test_names_that_cannot_be_used(name):
    with pytest.raises(InvalidArgumentError, match="; expected 1 to 63 lower-case") as raised:
        GenevaCluster.create_local(name).build()
    assert str(raised.value).startswith(f"name={name!r};")


ADDRESSES = """
    10.0.0.1:6379  head:1  head.ns.svc:65535  ray_head:6379  [::1]:6379
    ray://head:10001  ray://[2001:db8::1]:10001
"""
NO_ADDRESSES = """
    head  head:  :6379  head:0  head:65536  head:x  head:٣  a-:1  ::1:6379  local  head:6379/path
    user@head:6379  http://head:1  ray://head  ray://auto  ray://ray://head:1
"""


@pytest.mark.parametrize("address", ADDRESSES.split())
def test_addresses_that_can_be_used(address):
    assert GenevaCluster.create_external("prod", address).build().ray_address == address


@pytest.mark.parametrize(
    "address", [*NO_ADDRESSES.split(), "", "head:1 ", "head:1\n", "a b:1", 6379, ("head", 6379)]
)
def test_addresses_that_cannot_be_used(address):
    with pytest.raises(InvalidArgumentError, match="expected 'host:port' or 'ray://") as raised:
        GenevaCluster.create_external("prod", address).build()
    assert str(raised.value).startswith(f"ray_address={address!r};")


def test_auto_is_refused_with_the_reason():
    with pytest.raises(InvalidArgumentError, match=r"'auto' may join any cluster.*'host:port'"):
        GenevaCluster.create_external("prod", "auto").build()


def test_an_external_cluster_needs_an_address():
    with pytest.raises(InvalidArgumentError, match="ray_address is missing; expected 'host:port'"):
        ExternalRayClusterBuilder().name("prod").build()


def test_a_local_cluster_has_no_address():
    cluster = GenevaCluster(GenevaClusterType.LOCAL_RAY, "laptop", ray_address=ADDRESS)
    with pytest.raises(InvalidArgumentError, match=r"10\.0\.0\.1:6379'; expected none for a local"):
        cluster.validate()


@pytest.mark.parametrize(
    "name", ["num_cpus", "num_gpus", "resources", "labels", "object_store_memory"]
)
@pytest.mark.parametrize(
    "builder", [GenevaCluster.create_external("prod", ADDRESS), GenevaCluster.create_local("one")]
)
def test_what_ray_would_refuse_is_refused(builder, name):
    with pytest.raises(InvalidArgumentError, match=f"ray_init_kwargs holds '{name}'; expected"):
        builder.ray_init_kwargs({name: 1, "namespace": "mine"}).build()


def test_an_address_among_the_arguments_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"holds 'address'; expected .* as ray_address"):
        external(address="other:6379")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"a": {"b": [0, {1}]}}, r"ray_init_kwargs\['a'\]\['b'\]\[1\] is a set; expected a value"),
        ({"a": b"secret"}, r"\['a'\] is a bytes"),
        ({"a": (1, 2)}, r"\['a'\] is a tuple"),
        ({"a": {1: 2}}, r"\['a'\] has the key 1; expected keys of text"),
        ({1: 2}, "ray_init_kwargs has the key 1"),
        ({"a": float("nan")}, "is nan; expected a finite number"),
        ({"a": [float("inf")]}, "is inf; expected a finite number"),
        (["a"], "is of type list; expected a dict"),
    ],
)
def test_arguments_that_json_cannot_hold_are_refused(kwargs, message):
    with pytest.raises(InvalidArgumentError, match=message):
        GenevaCluster.create_local("laptop").ray_init_kwargs(kwargs).build()


def test_secrets_are_shown_nowhere():
    secret = {"runtime_env": {"env_vars": {"TOKEN": "hunter2"}}}
    assert "hunter2" not in repr(external(**secret))
    secret["runtime_env"]["env_vars"]["TOKEN"] = b"hunter2"
    with pytest.raises(InvalidArgumentError) as raised:
        external(**secret)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"cluster_type": "LOCAL_RAY"},
        {"created_at": datetime(2026, 1, 1)},
        {"created_at": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))},
        {"created_at": "2026-01-01"},
        {"created_by": None},
    ],
)
def test_values_of_another_kind_are_refused(changed):
    cluster = attrs.evolve(external(), **changed)
    with pytest.raises(InvalidArgumentError, match=f"^{next(iter(changed))}=.*; expected "):
        cluster.validate()


@pytest.mark.parametrize(
    "cluster", [external(**ENVIRONMENT), GenevaCluster.create_local("laptop").build()]
)
def test_a_definition_survives_json(cluster):
    text = json.dumps(cluster.as_dict(), allow_nan=False)
    again = GenevaCluster.from_dict(json.loads(text))
    assert again == cluster
    assert hash(again) == hash(cluster)
    assert again.as_dict() == cluster.as_dict()
    assert pickle.loads(pickle.dumps(cluster)) == cluster


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cluster_type": "KUBE_RAY"}, "cluster_type='KUBE_RAY'; expected 'EXTERNAL_RAY' or"),
        ({"pods": 3}, "pods not known to this version of Geneva"),
        ({"created_at": "yesterday"}, "created_at='yesterday'; expected a time in ISO 8601"),
        ({"created_at": None}, "created_at=None; expected a time in ISO 8601"),
        ({"ray_address": "auto"}, "may join any cluster"),
        ({"ray_init_kwargs": {"num_cpus": 1}}, "holds 'num_cpus'"),
    ],
)
def test_a_stored_definition_that_cannot_be_used_says_why(changed, message):
    values = {**external().as_dict(), **changed}
    with pytest.raises(InvalidArgumentError, match=f"cluster 'prod' cannot be used: .*{message}"):
        GenevaCluster.from_dict(values)


@pytest.mark.parametrize("name", external().as_dict())
def test_a_stored_definition_that_lacks_something_says_what(name):
    values = external().as_dict()
    del values[name]
    with pytest.raises(InvalidArgumentError, match=f"cannot be used: {name} missing; expected"):
        GenevaCluster.from_dict(values)


def test_what_a_later_version_does_not_use_is_ignored():
    cluster = external()
    assert GenevaCluster.from_dict({**cluster.as_dict(), "pods": None}) == cluster


def test_a_user_without_a_name(monkeypatch):
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1000")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert external().created_by == "unknown"


def test_defining_a_cluster_loads_nothing_heavy():
    program = """
        from geneva.cluster import GenevaCluster, GenevaClusterType

        GenevaCluster.create_external("prod", "10.0.0.1:6379").build()
    """
    assert not loaded_by(program) & {*HEAVY, "pyarrow", "numpy"}


def test_storing_a_definition_locally_needs_no_lance(tmp_path):
    program = """
        import sys
        from geneva.cluster import GenevaCluster
        from geneva.storage import cluster_definitions
        from geneva.storage.model import TableLocation

        database = TableLocation(sys.argv[1])
        cluster = GenevaCluster.create_local("laptop").build()
        cluster_definitions.store_cluster(database, "laptop", cluster.as_dict())
        assert cluster_definitions.load_cluster(database, "laptop") == cluster.as_dict()
        cluster_definitions.delete_cluster(database, "laptop")
        assert cluster_definitions.list_clusters(database) == []
    """
    assert not loaded_by(program, str(tmp_path / "db")) & HEAVY
