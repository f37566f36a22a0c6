"""Ask Kafka's brokers: how they are reached, and what the client says of its connections beside its answers.

==============================  ====================================================================
the address of the brokers      how they are reached
==============================  ====================================================================
``host:port,host:port``         without TLS
``ssl://host:port,host:port``   by TLS; each broker's certificate must be believed, and of its name
``sasl_ssl://host:port,…``      the same, and we log in
==============================  ====================================================================

A client of Kafka tries a connection again for ever, and says what is wrong with it only to whoever
listens. A broker that is not safe, or that refuses our login, is therefore kept here until asked for.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException

from dbb.errors import InstallationWrong, KafkaUnavailable, SettingMissing
from dbb.hooks.certificates import NoAuthorities, context_of, made_clear, why_unsafe

MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
_SCHEMES = ("", "ssl", "sasl_ssl")


@dataclass(frozen=True, slots=True)
class Brokers:
    """Hold where Kafka's brokers are, and how they are reached.

    Parameters
    ----------
    servers
        Kafka's bootstrap servers, without a scheme.
    scheme
        ``ssl`` or ``sasl_ssl``; empty for none.
    ca
        A file of the authorities to believe; empty for those that the machine believes.
    user, password, mechanism
        Who logs in, and how.
    setting
        What the names of the settings begin with that say so.
    """

    servers: str
    scheme: str = ""
    ca: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    mechanism: str = MECHANISMS[0]
    setting: str = "DBB_KAFKA_"

    @classmethod
    def of_settings(cls, address: str, environment: Mapping[str, str], setting: str) -> Brokers:
        """Read an address, and ``<setting>CA``, ``USER``, ``PASSWORD`` and ``SASL``.

        Raises
        ------
        SettingMissing
            If we are to log in, and nothing says as whom.
        InstallationWrong
            If the address is none, or a setting asks for what the address does not.
        """
        parts = [each.strip().rpartition("://") for each in address.split(",")]
        scheme = parts[0][0].lower()
        if scheme not in _SCHEMES or any(each[0].lower() not in ("", scheme) for each in parts):
            why = "brokers are host:port,…, ssl://host:port,… or sasl_ssl://host:port,…"
            raise InstallationWrong.for_part(address, why)
        known = {name: environment.get(f"{setting}{name}", "") for name in _NAMES}
        if known["CA"] and not scheme:
            why = f"{setting}CA names an authority, and only ssl:// and sasl_ssl:// ask for one"
            raise InstallationWrong.for_part(address, why)
        if scheme != "sasl_ssl" and (known["USER"] or known["PASSWORD"]):
            why = f"{setting}USER says who logs in, and a password goes by sasl_ssl:// only"
            raise InstallationWrong.for_part(address, why)
        if scheme == "sasl_ssl" and not (known["USER"] and known["PASSWORD"]):
            missing = next(name for name in ("USER", "PASSWORD") if not known[name])
            raise SettingMissing.for_setting(f"{setting}{missing}")
        mechanism = known["SASL"] or MECHANISMS[0]
        if mechanism not in MECHANISMS:
            why = f"it is none of {', '.join(MECHANISMS)}"
            raise InstallationWrong.for_part(f"{setting}SASL", why)
        servers = ",".join(each[2] for each in parts)
        return cls(
            servers, scheme, known["CA"], known["USER"], known["PASSWORD"], mechanism, setting
        )

    def options(self) -> dict[str, Any]:
        """Give what the client must know to reach them."""
        options: dict[str, Any] = {"bootstrap.servers": self.servers}
        if self.scheme:
            options |= {
                "security.protocol": self.scheme,
                "enable.ssl.certificate.verification": True,
                "ssl.endpoint.identification.algorithm": "https",
            }
        if self.ca:
            options["ssl.ca.location"] = self.ca
        if self.scheme == "sasl_ssl":
            options |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.user,
                "sasl.password": self.password,
            }
        return options


_NAMES = ("CA", "USER", "PASSWORD", "SASL")


class KafkaClient:
    """Hold a consumer; whatever it is asked within `asking` is answered, or an error of ours.

    Parameters
    ----------
    brokers
        Where they are.
    options
        What the consumer must know besides.

    Raises
    ------
    KafkaUnavailable
        If the file of authorities is not there.
    """

    def __init__(self, brokers: Brokers, options: Mapping[str, Any]) -> None:
        self._brokers = brokers
        self._heard: KafkaError | None = None
        try:
            if brokers.ca:
                context_of(brokers.ca)  # the client's own words do not tell what is wrong with it
            self.consumer = Consumer({**brokers.options(), **options, "error_cb": self._hear})
        except (NoAuthorities, ssl.SSLError, KafkaException) as error:
            raise self._failure(error) from error

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Give an answer that did not come, or was an error, its code; the reason is the connection's, if it has one.

        Raises
        ------
        KafkaUnavailable
            If there is no answer, or a broker is not safe, or refuses our login.
        """
        try:
            yield
        except KafkaException as error:
            self.consumer.poll(0)  # that it tells what it has heard
            self.check()
            raise self._failure(error) from error
        self.check()

    def check(self) -> None:
        """Raise what was heard of connections since the last time.

        Raises
        ------
        KafkaUnavailable
            If a broker is not safe, or refuses our login.
        """
        heard, self._heard = self._heard, None
        if heard is not None:
            raise self._failure(KafkaException(heard))

    def _hear(self, error: KafkaError) -> None:
        is_login = error.code() == KafkaError._AUTHENTICATION  # noqa: SLF001 - its name
        if is_login or why_unsafe(KafkaException(error)) is not None:
            self._heard = error

    def _failure(self, error: Exception) -> KafkaUnavailable:
        failure = KafkaUnavailable.for_call(self._brokers.servers, error)
        told = error.args[0] if isinstance(error, KafkaException) else None
        if told is not None and told.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001
            return KafkaUnavailable.for_login(
                self._brokers.servers, told.str(), self._brokers.setting
            )
        return made_clear(failure, error, f"{self._brokers.setting}CA")


def raise_error(error: Any) -> None:
    """Raise what a message or topic carries in place of itself; None is none."""
    if error is not None:
        raise KafkaException(error)
