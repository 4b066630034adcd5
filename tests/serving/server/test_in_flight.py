import asyncio

import pytest

from serving.server.in_flight import InFlight


def test_waiting_ends_with_the_last_request():
    async def scenario():
        in_flight = InFlight()
        await in_flight.wait_until_empty()
        with in_flight.request():
            with in_flight.request():
                waiting = asyncio.create_task(in_flight.wait_until_empty())
            await asyncio.sleep(0)
            assert not in_flight.is_empty
            assert not waiting.done()
        await waiting
        assert in_flight.is_empty

    asyncio.run(scenario())


def test_a_request_that_fails_has_ended_too():
    async def scenario():
        in_flight = InFlight()
        with pytest.raises(ZeroDivisionError), in_flight.request():
            raise ZeroDivisionError
        assert in_flight.is_empty

    asyncio.run(scenario())
