"""What the flows need of the world: a module for each port, with a fake and a real hook behind it.

Every method may raise the ``Transient`` error of its port when the service does not answer.
Every method that changes something may be called again after a crash with the same effect as once.
"""
