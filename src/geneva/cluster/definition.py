"""A cluster as it is defined: plain data that is stored with a database."""

from __future__ import annotations

import enum
import getpass
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import attrs

from geneva.cluster.checks import check_address, check_name, check_ray_init_kwargs
from geneva.errors import InvalidArgumentError

if TYPE_CHECKING:
    from geneva.cluster.builder import ExternalRayClusterBuilder, LocalRayClusterBuilder


class GenevaClusterType(enum.Enum):
    """Kinds of clusters.

    Examples
    --------
    >>> GenevaClusterType("EXTERNAL_RAY")
    <GenevaClusterType.EXTERNAL_RAY: 'EXTERNAL_RAY'>
    """

    EXTERNAL_RAY = "EXTERNAL_RAY"
    """A Ray cluster that runs already and that somebody else starts and stops."""

    LOCAL_RAY = "LOCAL_RAY"
    """A Ray cluster of this machine that is started when it is used."""


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _is_utc(value: object) -> bool:
    return isinstance(value, datetime) and value.utcoffset() == timedelta()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # In a container the user id may have no name.
        return "unknown"


def _copied(value: Any) -> Any:
    """Copy a JSON value, so that a definition does not change with what it was made from."""
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _init_kwargs(given: Any) -> Any:
    return {} if given is None else _copied(given)


@attrs.frozen
class GenevaCluster:
    """A Ray cluster as it is defined in a database; :meth:`validate` says whether it can be used.

    Attributes
    ----------
    cluster_type : GenevaClusterType
        Kind of the cluster.
    name : str
        Its name in the database: lower-case letters, digits and ``-``, at most 63.
    ray_address : str or None
        Where an external cluster is: ``"host:port"`` or ``"ray://host:port"``.
    ray_init_kwargs : dict
        More arguments for ``ray.init``. They are stored as JSON, readable by everybody who can
        read the database.
    created_at : datetime
        When it was defined, in UTC.
    created_by : str
        Name of the user who defined it.

    Examples
    --------
    >>> cluster = GenevaCluster.create_external("prod", "10.0.0.1:6379").build()
    >>> cluster.name, cluster.ray_address, cluster.cluster_type.name
    ('prod', '10.0.0.1:6379', 'EXTERNAL_RAY')
    """

    cluster_type: GenevaClusterType
    name: str
    ray_address: str | None = attrs.field(default=None, kw_only=True)
    # Not shown: the environment of workers may hold secrets.
    ray_init_kwargs: dict[str, Any] = attrs.field(
        default=None, converter=_init_kwargs, kw_only=True, repr=False, hash=False
    )
    created_at: datetime = attrs.field(factory=_now, kw_only=True)
    created_by: str = attrs.field(factory=_user, kw_only=True)

    @staticmethod
    def create_external(name: str, ray_address: str) -> ExternalRayClusterBuilder:
        """Begin the definition of a cluster that runs already.

        Parameters
        ----------
        name
            Name of the cluster.
        ray_address
            ``"host:port"`` of its head, or ``"ray://host:port"``.

        Returns
        -------
        ExternalRayClusterBuilder
            Its ``build()`` returns the cluster.

        Examples
        --------
        >>> GenevaCluster.create_external("prod", "ray://head:10001").build().ray_address
        'ray://head:10001'
        """
        from geneva.cluster.builder import ExternalRayClusterBuilder

        return ExternalRayClusterBuilder().name(name).ray_address(ray_address)

    @staticmethod
    def create_local(name: str) -> LocalRayClusterBuilder:
        """Begin the definition of a cluster of this machine.

        Parameters
        ----------
        name
            Name of the cluster.

        Returns
        -------
        LocalRayClusterBuilder
            Its ``build()`` returns the cluster.

        Examples
        --------
        >>> GenevaCluster.create_local("laptop").build().cluster_type.name
        'LOCAL_RAY'
        """
        from geneva.cluster.builder import LocalRayClusterBuilder

        return LocalRayClusterBuilder().name(name)

    def validate(self) -> None:
        """Check every value.

        Raises
        ------
        InvalidArgumentError
            A value cannot be used: which, what was expected, and what was found.

        Examples
        --------
        >>> GenevaCluster(GenevaClusterType.LOCAL_RAY, "My_Laptop").validate()
        Traceback (most recent call last):
        geneva.errors.InvalidArgumentError: name='My_Laptop'; expected 1 to 63 lower-case letters...
        """
        check_name(self.name)
        if not isinstance(self.cluster_type, GenevaClusterType):
            raise InvalidArgumentError(
                f"cluster_type={self.cluster_type!r}; expected a GenevaClusterType."
            )
        if self.cluster_type is GenevaClusterType.EXTERNAL_RAY:
            check_address(self.ray_address)
        elif self.ray_address is not None:
            raise InvalidArgumentError(
                f"ray_address={self.ray_address!r}; expected none for a local cluster, which is "
                "started when it is used. create_external() defines one that runs already."
            )
        check_ray_init_kwargs(self.ray_init_kwargs)
        if not _is_utc(self.created_at):
            raise InvalidArgumentError(
                f"created_at={self.created_at!r}; expected a datetime in UTC."
            )
        if not isinstance(self.created_by, str):
            raise InvalidArgumentError(f"created_by={self.created_by!r}; expected text.")

    def as_dict(self) -> dict[str, Any]:
        """Return the definition as values that JSON can hold.

        Examples
        --------
        >>> found = GenevaCluster.create_local("laptop").build().as_dict()
        >>> found["name"], found["cluster_type"], found["ray_address"]
        ('laptop', 'LOCAL_RAY', None)
        """
        return {
            "cluster_type": self.cluster_type.value,
            "name": self.name,
            "ray_address": self.ray_address,
            "ray_init_kwargs": _copied(self.ray_init_kwargs),
            "created_at": self.created_at.isoformat(),
            "created_by": self.created_by,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GenevaCluster:
        """Return the cluster that :meth:`as_dict` described.

        Raises
        ------
        InvalidArgumentError
            A value is missing, is not known, or cannot be used.

        Examples
        --------
        >>> cluster = GenevaCluster.create_local("laptop").build()
        >>> GenevaCluster.from_dict(cluster.as_dict()) == cluster
        True
        """
        try:
            cluster = cls(**_parsed(values))
            cluster.validate()
        except InvalidArgumentError as error:
            raise InvalidArgumentError(
                f"The definition of cluster {values.get('name')!r} cannot be used: {error}"
            ) from None
        return cluster


def _parsed(values: Mapping[str, Any]) -> dict[str, Any]:
    fields = {field.name for field in attrs.fields(GenevaCluster)}
    missing = sorted(fields - set(values))
    if missing:
        raise InvalidArgumentError(
            f"{', '.join(missing)} missing; expected {', '.join(sorted(fields))}."
        )
    # What is None has no meaning here: a later version may list what it knows and does not use.
    unknown = sorted(
        str(key) for key, value in values.items() if key not in fields and value is not None
    )
    if unknown:
        raise InvalidArgumentError(
            f"{', '.join(unknown)} not known to this version of Geneva; expected "
            f"{', '.join(sorted(fields))}. A later version may have stored it."
        )
    known = {name: values[name] for name in fields}
    try:
        known["cluster_type"] = GenevaClusterType(known["cluster_type"])
    except ValueError:
        kinds = " or ".join(repr(kind.value) for kind in GenevaClusterType)
        raise InvalidArgumentError(
            f"cluster_type={known['cluster_type']!r}; expected {kinds}. A later version of Geneva "
            "may have stored it."
        ) from None
    try:
        known["created_at"] = datetime.fromisoformat(known["created_at"])
    except (TypeError, ValueError):
        raise InvalidArgumentError(
            f"created_at={known['created_at']!r}; expected a time in ISO 8601."
        ) from None
    return known
