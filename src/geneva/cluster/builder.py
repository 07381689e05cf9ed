"""Build definitions of clusters step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from geneva.cluster.definition import GenevaCluster, GenevaClusterType

if TYPE_CHECKING:
    from typing_extensions import Self


class _RayClusterBuilder:
    """What the builders have in common. Nothing is checked before :meth:`build`."""

    _cluster_type: ClassVar[GenevaClusterType]

    def __init__(self) -> None:
        self._name = ""
        self._ray_address: str | None = None
        self._ray_init_kwargs: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    def name(self, name: str) -> Self:
        """Set the name: lower-case letters, digits and ``-``, at most 63."""
        self._name = name
        return self

    def ray_init_kwargs(self, ray_init_kwargs: Mapping[str, Any]) -> Self:
        """Set more arguments for ``ray.init``, ``runtime_env`` for example.

        They must be values that JSON can hold, and must not say where the cluster is or how large:
        ``address``, ``num_cpus``, ``num_gpus``, ``resources``, ``labels``, ``object_store_memory``.
        """
        self._ray_init_kwargs = ray_init_kwargs
        return self

    def build(self) -> GenevaCluster:
        """Check the values and return the cluster.

        Raises
        ------
        InvalidArgumentError
            A value cannot be used: which, what was expected, and what was found.
        """
        cluster = GenevaCluster(
            self._cluster_type,
            self._name,
            ray_address=self._ray_address,
            ray_init_kwargs=self._ray_init_kwargs,
        )
        cluster.validate()
        return cluster


class ExternalRayClusterBuilder(_RayClusterBuilder):
    """Defines a cluster that runs already.

    Examples
    --------
    >>> builder = ExternalRayClusterBuilder().name("prod").ray_address("10.0.0.1:6379")
    >>> cluster = builder.ray_init_kwargs({"log_to_driver": False}).build()
    >>> cluster.ray_address, cluster.ray_init_kwargs
    ('10.0.0.1:6379', {'log_to_driver': False})
    """

    _cluster_type = GenevaClusterType.EXTERNAL_RAY

    def ray_address(self, ray_address: str) -> Self:
        """Set where it is: ``"host:port"`` of its head, or ``"ray://host:port"``."""
        self._ray_address = ray_address
        return self


class LocalRayClusterBuilder(_RayClusterBuilder):
    """Defines a cluster of this machine, which is started when it is used.

    Examples
    --------
    >>> LocalRayClusterBuilder().name("laptop").build().name
    'laptop'
    """

    _cluster_type = GenevaClusterType.LOCAL_RAY
