"""Serve the metrics of a screening to Prometheus, by OpenTelemetry's own exporter.

python examples/prometheus.py examples/portraits.txt
"""

import asyncio
import sys
from pathlib import Path

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server

from s2v_detect import DetectClient
from s2v_detect.integrations.otel import telemetry


async def main(urls: list[str], port: int = 9464) -> None:
    """Screen the list; http://127.0.0.1:9464/metrics tells of it meanwhile."""
    start_http_server(port, addr="127.0.0.1")
    meters = MeterProvider([PrometheusMetricReader()])
    async with DetectClient(on_event=telemetry(meter_provider=meters)) as client:
        async for outcome in client.aiter_check(urls):
            print(outcome.kind, outcome.image)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_text(encoding="utf-8").split()))
