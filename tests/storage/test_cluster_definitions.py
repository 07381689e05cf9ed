"""Definitions of clusters are stored with their database, in a folder and in an object store."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

import geneva
from geneva import errors
from geneva.cluster import GenevaCluster
from geneva.storage import cluster_definitions
from geneva.storage.model import TableLocation

ENVIRONMENT = {"runtime_env": {"env_vars": {"A": "ä"}, "pip": ["numpy"]}, "log_to_driver": False}


def external(name: str, address: str = "10.0.0.1:6379") -> GenevaCluster:
    return GenevaCluster.create_external(name, address).ray_init_kwargs(ENVIRONMENT).build()


def folder(db) -> Path:
    return Path(db.uri) / "_geneva" / "clusters"


def test_another_connection_finds_what_was_defined(db):
    prod, laptop = external("prod"), GenevaCluster.create_local("laptop").build()
    db.define_cluster("prod", prod)
    db.define_cluster("laptop", laptop)
    again = geneva.connect(db.uri)
    assert again.list_clusters() == [laptop, prod]
    assert again._cluster("prod") == prod
    assert sorted(path.name for path in folder(db).iterdir()) == ["laptop.json", "prod.json"]


def test_a_definition_gets_the_name_that_it_is_stored_under(db):
    cluster = external("prod")
    db.define_cluster("other", cluster)
    assert [found.name for found in db.list_clusters()] == ["other"]
    assert db._cluster("other").created_at == cluster.created_at
    assert cluster.name == "prod"


def test_defining_again_replaces(db):
    db.define_cluster("prod", external("prod"))
    db.define_cluster("prod", external("prod", "ray://head:10001"))
    assert [cluster.ray_address for cluster in db.list_clusters()] == ["ray://head:10001"]


@pytest.mark.parametrize("name", ["Prod", "", "../prod", "a/b", "a" * 64, None, 3])
def test_a_name_that_cannot_be_used_is_refused_before_anything_is_written(db, name):
    with pytest.raises(errors.InvalidArgumentError, match="expected 1 to 63 lower-case letters"):
        db.define_cluster(name, external("prod"))
    with pytest.raises(errors.InvalidArgumentError, match="expected 1 to 63 lower-case letters"):
        cluster_definitions.store_cluster(TableLocation(db.uri), name, {})
    with pytest.raises(errors.InvalidArgumentError, match="is not defined in"):
        db._cluster(name)
    db.delete_cluster(name)
    assert not Path(db.uri).exists()


def test_a_builder_that_was_not_built_is_refused(db):
    builder = GenevaCluster.create_local("laptop")
    with pytest.raises(
        errors.InvalidArgumentError, match=r"LocalRayClusterBuilder\('laptop'\).*bu"
    ):
        db.define_cluster("laptop", builder)


def test_a_definition_that_is_not_valid_is_refused(db):
    unchecked = GenevaCluster(external("prod").cluster_type, "prod", ray_address="auto")
    with pytest.raises(errors.InvalidArgumentError, match="auto"):
        db.define_cluster("prod", unchecked)
    assert db.list_clusters() == []


def test_deleting_is_silent_if_there_is_none(db):
    db.delete_cluster("prod")
    db.define_cluster("prod", external("prod"))
    db.delete_cluster("prod")
    db.delete_cluster("prod")
    assert db.list_clusters() == []


def test_an_unknown_name_names_those_that_exist(db):
    with pytest.raises(errors.InvalidArgumentError, match=r"'prod' is not defined.*: none\."):
        db._cluster("prod")
    db.define_cluster("test", external("test"))
    db.define_cluster("dev", external("dev"))
    with pytest.raises(errors.InvalidArgumentError, match=r"Its clusters: dev, test\."):
        db._cluster("prod")


def test_definitions_are_not_tables_and_outlive_them(db, make_table):
    db.define_cluster("prod", external("prod"))
    assert db.table_names() == []
    make_table()
    assert db.table_names() == ["docs"]
    with pytest.raises(errors.TableNotFoundError):
        db.open_table("_geneva")
    db.drop_all_tables()
    assert db.table_names() == []
    assert [cluster.name for cluster in db.list_clusters()] == ["prod"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"_geneva/clusters/prod\.json .* not the definition of a cluster"),
        ("[]", "it holds a list"),
        ('{"name": "prod"}', "cluster 'prod' cannot be used: cluster_type, created_at"),
    ],
)
def test_a_file_that_holds_something_else_says_which(db, text, message):
    db.define_cluster("dev", external("dev"))
    (folder(db) / "prod.json").write_text(text)
    for look in (db.list_clusters, lambda: db._cluster("prod")):
        with pytest.raises(errors.InvalidArgumentError, match=message):
            look()
    # The others can be used, and it can be got rid of.
    assert db._cluster("dev").name == "dev"
    db.delete_cluster("prod")
    assert [cluster.name for cluster in db.list_clusters()] == ["dev"]


def test_what_else_lies_in_the_folder_is_left_alone(db):
    db.define_cluster("prod", external("prod"))
    (folder(db) / "notes.txt").write_text("mine")
    (folder(db) / ".dev.json.0.tmp").write_text("{")  # As a writer that was killed leaves it.
    assert [cluster.name for cluster in db.list_clusters()] == ["prod"]


def test_a_stored_definition_is_readable_json(db):
    cluster = external("prod")
    db.define_cluster("prod", cluster)
    assert json.loads((folder(db) / "prod.json").read_text()) == cluster.as_dict()


def test_definitions_in_an_object_store(store):
    db = geneva.connect("s3://bucket/clusters", storage_options=store)
    assert db.list_clusters() == []
    prod, laptop = external("prod"), GenevaCluster.create_local("laptop").build()
    db.define_cluster("prod", external("prod", "old:6379"))
    db.define_cluster("prod", prod)
    db.define_cluster("laptop", laptop)
    db.create_table("docs", pa.table({"id": [1]}))
    again = geneva.connect("s3://bucket/clusters", storage_options=store)
    assert again.list_clusters() == [laptop, prod]
    assert again._cluster("prod") == prod
    assert again.table_names() == ["docs"]
    with pytest.raises(errors.InvalidArgumentError, match=r"Its clusters: laptop, prod\."):
        again._cluster("dev")
    again.delete_cluster("prod")
    again.delete_cluster("prod")
    assert db.list_clusters() == [laptop]


def test_a_store_that_cannot_be_reached_is_not_an_empty_one(store):
    options = {**store, "aws_endpoint": "http://127.0.0.1:1", "client_max_retries": "0"}
    db = geneva.connect("s3://bucket/clusters", storage_options=options)
    with pytest.raises((OSError, RuntimeError), match="error sending request"):
        db.list_clusters()
    with pytest.raises(OSError, match="error sending request") as raised:
        db._cluster("prod")
    assert not isinstance(raised.value, FileNotFoundError)
