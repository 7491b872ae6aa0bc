"""A warehouse hall with robots: the first programs to read, and what `rerund demo` runs.

Each program is a process of its own and can be started by hand: `python -m rerund.demo.arm --connect`. They never talk
to each other: what they see is a function of the clock (world.py), so that they agree, whenever each was started.

arm.py      a robot arm: transforms that hang on each other, meshes, joint angles
lidar.py    a laser scanner on a driving robot: point clouds
camera.py   two cameras: images, depth, pinholes
planner.py  where the robot wants to go: lines, arrows, text
workers.py  a multiprocessing pool: many processes, one recording, nothing to set up
"""
