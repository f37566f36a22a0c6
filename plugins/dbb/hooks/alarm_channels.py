"""The channels by which alarms reach people: mail (SMTP), and a chat's incoming webhook."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

import requests

from dbb.errors import AlarmNotSent, SettingMissing
from dbb.model.alarm import Alarm
from dbb.settings import Settings

TIMEOUT_S = 20


class Webhook:
    """Post alarms to an incoming webhook, in the form that Slack and Mattermost take.

    Parameters
    ----------
    url
        Its address, which is a secret: who knows it may write there.
    """

    name = "webhook"

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, alarm: Alarm) -> None:
        """Post an alarm."""
        text = f"*{alarm.subject}*\n{alarm.text}"
        try:
            answer = requests.post(self._url, json={"text": text}, timeout=TIMEOUT_S)
        except requests.RequestException as error:  # its text holds the address
            raise AlarmNotSent.for_channel(self.name, type(error).__name__) from None
        if not answer.ok:
            raise AlarmNotSent.for_channel(self.name, f"status {answer.status_code}")


class Mail:
    """Mail alarms.

    Parameters
    ----------
    url
        ``smtp://user:password@host:port?from=ADDRESS&to=ADDRESS,ADDRESS``; ``smtps`` for TLS from the
        beginning. With ``smtp`` the connection is encrypted where the server can.

    Raises
    ------
    SettingMissing
        If a part of it is missing.
    """

    name = "mail"

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        if (
            parts.scheme not in ("smtp", "smtps")
            or not parts.hostname
            or {"from", "to"} - set(query)
        ):
            raise SettingMissing.for_setting("DBB_ALARM_MAIL")
        self._is_tls = parts.scheme == "smtps"
        self._host, self._port = parts.hostname, parts.port or (465 if self._is_tls else 25)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender, self._receivers = query["from"][0], query["to"][0]

    def send(self, alarm: Alarm) -> None:
        """Mail an alarm."""
        message = EmailMessage()
        message["Subject"] = f"[data backbone] {alarm.subject}"
        message["From"], message["To"] = self._sender, self._receivers
        message.set_content(alarm.text)
        connect = smtplib.SMTP_SSL if self._is_tls else smtplib.SMTP
        try:
            with connect(self._host, self._port, timeout=TIMEOUT_S) as server:
                server.ehlo()
                if server.has_extn("starttls"):
                    server.starttls()
                if self._user:
                    server.login(self._user, self._password)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise AlarmNotSent.for_channel(self.name, type(error).__name__) from None


def open_channels(settings: Settings) -> list[Webhook | Mail]:
    """Open the channels that are set: ``DBB_ALARM_WEBHOOK``, ``DBB_ALARM_MAIL``."""
    channels: list[Webhook | Mail] = []
    if url := settings.environment.get("DBB_ALARM_WEBHOOK"):
        channels.append(Webhook(url))
    if url := settings.environment.get("DBB_ALARM_MAIL"):
        channels.append(Mail(url))
    return channels
