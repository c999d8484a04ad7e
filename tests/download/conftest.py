from fault_server import server

__all__ = ["server"]
