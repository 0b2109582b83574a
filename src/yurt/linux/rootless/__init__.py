"""An engine of a normal user: in namespaces where it is root, kept by a process beside it.

ids       which numbers the user has, and the commands that give them to a namespace
enter     how yurtd gets into its namespaces: as it starts, by being executed again inside
keeper    the process that made them, and keeps them while engines come and go
outgoing  how packets leave: pasta or slirp4netns, started again when it ends
client    the keeper as the engine sees it
"""
