"""The process beside each container that outlives the engine. Standard library only; imports nothing else of Yurt."""
