"""The page over the runs of a folder, served for as long as a test asks."""

import http.client
import threading
from contextlib import contextmanager

import uvicorn

from lightning_nas.commands.ui import HOST, listening
from lightning_nas.report.overview.app import make_app


@contextmanager
def served(folder):
    """A function that asks for a path as it stands, and gives status, headers and text."""
    with listening(0) as place:
        server = uvicorn.Server(uvicorn.Config(make_app(folder), log_level="error"))
        thread = threading.Thread(target=server.run, args=([place],))
        thread.start()

        def ask(path, method="GET", host="127.0.0.1"):
            connection = http.client.HTTPConnection(HOST, place.getsockname()[1], timeout=60)
            connection.request(method, path, headers={"Host": host})
            answer = connection.getresponse()
            text = answer.read().decode()
            connection.close()
            return answer.status, answer.headers, text

        ask.address = f"http://{HOST}:{place.getsockname()[1]}"
        try:
            yield ask
        finally:
            server.should_exit = True
            thread.join()
