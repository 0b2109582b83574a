"""What Docker answers without a swarm and without plugins, so that clients that ask in passing go on."""

from aiohttp.web_response import StreamResponse

from yurt.errors import NotFound, Unavailable, Unimplemented
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.router import Route

METHODS = ("GET", "POST", "DELETE")
NOUNS = ("swarm", "nodes", "services", "tasks", "secrets", "configs")


class SwarmRoutes:
    def routes(self) -> tuple[Route, ...]:
        swarm = [Route("POST", "/swarm/init", self.refuse), Route("POST", "/swarm/join", self.refuse)]
        for noun in NOUNS:
            for method in METHODS:
                swarm += [
                    Route(method, f"/{noun}", self.no_swarm),
                    Route(method, f"/{noun}/{{rest:path}}", self.no_swarm),
                ]
        return (
            *swarm,
            Route("GET", "/plugins", self.no_plugins),
            Route("GET", "/plugins/{name:path}/json", self.no_such_plugin),
            Route("POST", "/plugins/{rest:path}", self.refuse_plugin),
        )

    async def no_swarm(self, _call: Call) -> StreamResponse:
        raise Unavailable("This node is not a swarm manager: Yurt runs on one machine and has no swarm")

    async def refuse(self, _call: Call) -> StreamResponse:
        raise Unimplemented("swarm is not supported", hint="run services with compose on one machine")

    async def no_plugins(self, _call: Call) -> StreamResponse:
        return answers.as_json([])

    async def no_such_plugin(self, call: Call) -> StreamResponse:
        raise NotFound(f"plugin {call.places['name']!r} not found")

    async def refuse_plugin(self, _call: Call) -> StreamResponse:
        raise Unimplemented("plugins are not supported")
