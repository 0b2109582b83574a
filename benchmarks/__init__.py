"""Side-by-side measurements of Yurt and the reference Docker. Run by ``scripts/bench``; never by the tests."""
