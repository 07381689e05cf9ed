"""Clusters that are defined in a database, and the blocks whose backfills run there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from geneva.db_handle import DatabaseHandle
from geneva.errors import InvalidArgumentError
from geneva.runners.select import require_ray

if TYPE_CHECKING:
    from geneva.cluster import ExitMode, GenevaCluster
    from geneva.runners.ray.contexts import RayContext
    from geneva.runners.ray.local_context import LocalRayContext


class DatabaseClusters(DatabaseHandle):
    """The methods of a connection that define clusters and use them."""

    def define_cluster(self, name: str, cluster: GenevaCluster) -> None:
        """Store the definition of a cluster with the database, replacing one of that name.

        Parameters
        ----------
        name
            Name to store it under; the stored definition gets this name.
        cluster
            The cluster, from :class:`~geneva.cluster.GenevaCluster` or one of its builders.

        Raises
        ------
        InvalidArgumentError
            A value of the definition cannot be used; nothing was stored.

        Examples
        --------
        >>> import geneva, tempfile
        >>> from geneva.cluster import ExitMode, GenevaCluster, GenevaClusterType
        >>> db = geneva.connect(tempfile.mkdtemp())
        >>> db.define_cluster("prod", GenevaCluster.create_external("prod", "head:6379").build())
        >>> [(cluster.name, cluster.ray_address) for cluster in db.list_clusters()]
        [('prod', 'head:6379')]
        >>> db.delete_cluster("prod")
        >>> db.list_clusters()
        []
        """
        import attrs

        from geneva.cluster import GenevaCluster
        from geneva.storage.cluster_definitions import store_cluster

        if not isinstance(cluster, GenevaCluster):
            raise InvalidArgumentError(
                f"cluster={cluster!r}; expected a GenevaCluster, as build() returns it."
            )
        named = attrs.evolve(cluster, name=name)
        named.validate()
        store_cluster(self._root(), name, named.as_dict())

    def list_clusters(self) -> list[GenevaCluster]:
        """Return the clusters that are defined in the database, in the order of their names.

        Raises
        ------
        InvalidArgumentError
            A definition cannot be used here, for example because a later version of Geneva stored
            it; the message names it.
        """
        from geneva.cluster import GenevaCluster
        from geneva.storage.cluster_definitions import list_clusters

        stored = list_clusters(self._root())
        return [GenevaCluster.from_dict(definition) for definition in stored]

    def delete_cluster(self, name: str) -> None:
        """Delete the definition of a cluster; one that is not there is fine.

        The cluster itself is left as it is.
        """
        from geneva.storage.cluster_definitions import delete_cluster

        delete_cluster(self._root(), name)

    def context(
        self,
        cluster: str,
        *,
        on_exit: ExitMode | None = None,
        wait_timeout: float | None = None,
        log_to_driver: bool = False,
        logging_level: int = logging.ERROR,
    ) -> RayContext:
        """Run the backfills of a ``with`` block on a cluster that is defined in the database.

        Parameters
        ----------
        cluster
            The name that it is defined under, see :meth:`define_cluster`.
        on_exit
            What happens when the block ends. Default: ``ExitMode.DELETE``, which waits for the
            jobs that the block began in the background. A cluster that somebody else started is
            never stopped; its jobs go on where they are not waited for.
        wait_timeout
            Seconds to wait for these jobs; None waits as long as they take.
        log_to_driver, logging_level
            As in ``ray.init``. What functions print is shown anyway, once.

        Raises
        ------
        InvalidArgumentError
            No such cluster is defined; or, when the block begins, this process is connected to
            another one.
        ClusterUnreachableError
            When the block begins: nobody answers at its address.
        EnvironmentMismatchError
            When the block begins: it has another version of Python or Ray.
        MissingExtraError
            Ray is not installed; the message names the command.
        """
        from geneva.cluster import ExitMode, GenevaClusterType

        defined = self._cluster(cluster)
        require_ray()
        on_exit = ExitMode.DELETE if on_exit is None else on_exit
        if defined.cluster_type is GenevaClusterType.LOCAL_RAY:
            from geneva.runners.ray.local_context import LocalRayContext

            return LocalRayContext(
                on_exit=on_exit,
                wait_timeout=wait_timeout,
                ray_init_kwargs={
                    "log_to_driver": log_to_driver,
                    "logging_level": logging_level,
                    **defined.ray_init_kwargs,
                },
            )
        from geneva.runners.ray.connection import ClusterContext

        return ClusterContext(
            defined,
            on_exit=on_exit,
            wait_timeout=wait_timeout,
            log_to_driver=log_to_driver,
            logging_level=logging_level,
        )

    @staticmethod
    def local_ray_context(
        *, num_cpus: int | None = None, dashboard: bool = False
    ) -> LocalRayContext:
        """Run the backfills of a ``with`` block on a Ray cluster of this machine.

        The cluster is private to this process and ends with the block, after the jobs that the
        block began in the background. If the block raises, these are cancelled.

        Parameters
        ----------
        num_cpus
            Logical CPUs. Default: one per core, and room for driver, tracker and writers.
        dashboard
            Whether to start Ray's dashboard as well, from the extra ``[ray-dashboard]``.

        Raises
        ------
        MissingExtraError
            Ray, or its dashboard, is not installed; the message names the command.
        """
        require_ray()
        from geneva.runners.ray.local_context import LocalRayContext

        return LocalRayContext(num_cpus=num_cpus, dashboard=dashboard)

    def _cluster(self, name: str) -> GenevaCluster:
        """Return a cluster by the name that it is defined under."""
        from geneva.cluster import GenevaCluster
        from geneva.storage.cluster_definitions import cluster_names, load_cluster

        definition = load_cluster(self._root(), name)
        if definition is None:
            names = ", ".join(cluster_names(self._root())) or "none"
            raise InvalidArgumentError(
                f"Cluster {name!r} is not defined in {self._uri}. Its clusters: {names}. "
                "define_cluster() defines one."
            )
        return GenevaCluster.from_dict(definition)
