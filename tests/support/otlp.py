"""A collector of OpenTelemetry: it takes metrics over a real socket, by HTTP or by gRPC."""

from __future__ import annotations

import gzip
import http.server
import threading
from concurrent import futures
from contextlib import contextmanager

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as pb
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)

from support.receiver import serving

PATH = "/v1/metrics"


class Collected:
    """Hold what came: by name and tags the newest value, as its kind of metric gives it."""

    def __init__(self):
        self.url = ""
        self._values = {}
        self._lock = threading.Lock()

    def take(self, request):
        """Take one export."""
        with self._lock:
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        self._take(metric)

    def _take(self, metric):
        kind = metric.WhichOneof("data")
        for point in getattr(metric, kind).data_points:
            tags = frozenset((each.key, _plain(each.value)) for each in point.attributes)
            value = (
                point.count if "histogram" in kind else getattr(point, point.WhichOneof("value"))
            )
            self._values[metric.name, tags] = (kind, value)

    def names(self):
        with self._lock:
            return {name for name, _ in self._values}

    def tags(self, name):
        """List the tags with which a metric came."""
        with self._lock:
            return [dict(tags) for each, tags in self._values if each == name]

    def kinds(self, name):
        with self._lock:
            return {kind for (each, _), (kind, _) in self._values.items() if each == name}

    def value(self, name, **tags):
        """Give the newest value of a metric with just these tags; None where it did not come."""
        with self._lock:
            return self._values.get((name, frozenset(tags.items())), (None, None))[1]


def _plain(value):
    return getattr(value, value.WhichOneof("value"))


@contextmanager
def collector(protocol="http/protobuf"):
    """Run a collector; its ``url`` is what ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set to."""
    with {"http/protobuf": _by_http, "grpc": _by_grpc}[protocol]() as collected:
        yield collected


@contextmanager
def _by_http():
    collected = Collected()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            is_ours = self.path == PATH
            if is_ours:
                collected.take(pb.ExportMetricsServiceRequest.FromString(data))
            self.send_response(200 if is_ours else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(pb.ExportMetricsServiceResponse().SerializeToString())

        def log_message(self, *_):
            pass

    with serving(Handler) as port:
        collected.url = f"http://127.0.0.1:{port}"
        yield collected


@contextmanager
def _by_grpc():
    collected = Collected()

    class Servicer(MetricsServiceServicer):
        def Export(self, request, context):  # noqa: N802, ARG002 - its name and its arguments
            collected.take(request)
            return pb.ExportMetricsServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    add_MetricsServiceServicer_to_server(Servicer(), server)
    collected.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collected
    finally:
        server.stop(None).wait()
