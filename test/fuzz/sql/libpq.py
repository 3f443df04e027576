"""The few functions of libpq that the fuzzer needs, by ctypes: statements go out as bytes, and a
statement that runs can be cancelled from another thread."""

import ctypes

_libpq = ctypes.CDLL("libpq.so.5")
for _name, _result in (
    ("PQconnectdb", ctypes.c_void_p),
    ("PQerrorMessage", ctypes.c_char_p),
    ("PQexec", ctypes.c_void_p),
    ("PQresultErrorField", ctypes.c_char_p),
    ("PQresultErrorMessage", ctypes.c_char_p),
    ("PQgetvalue", ctypes.c_char_p),
    ("PQgetCancel", ctypes.c_void_p),
):
    getattr(_libpq, _name).restype = _result
for _name in ("PQclear", "PQfinish", "PQfreeCancel", "PQstatus", "PQresultStatus", "PQntuples",
              "PQnfields", "PQbackendPID", "PQgetCancel", "PQerrorMessage",
              "PQresultErrorMessage"):
    getattr(_libpq, _name).argtypes = [ctypes.c_void_p]
_libpq.PQconnectdb.argtypes = [ctypes.c_char_p]
_libpq.PQexec.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_libpq.PQresultErrorField.argtypes = [ctypes.c_void_p, ctypes.c_int]
_libpq.PQgetvalue.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
_libpq.PQcancel.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
_NOTICES = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
_libpq.PQsetNoticeProcessor.argtypes = [ctypes.c_void_p, _NOTICES, ctypes.c_void_p]
_no_notices = _NOTICES(lambda _argument, _message: None)

_CONNECTION_OK = 0
_ERROR_STATUSES = (5, 7)  # PGRES_BAD_RESPONSE, PGRES_FATAL_ERROR


class ConnectionLost(Exception):
    """The server ended the connection, or does not accept one."""


class Outcome:
    """What a statement came to: its rows, or the SQLSTATE and the message of its error."""

    def __init__(self, rows, sqlstate, message):
        self.rows, self.sqlstate, self.message = rows, sqlstate, message


class Connection:
    """One session; the environment says where (PGHOST, PGPORT, PGUSER)."""

    def __init__(self, database):
        self._connection = _libpq.PQconnectdb(f"dbname={database} client_encoding=auto".encode())
        if _libpq.PQstatus(self._connection) != _CONNECTION_OK:
            message = _libpq.PQerrorMessage(self._connection).decode(errors="replace")
            _libpq.PQfinish(self._connection)
            raise ConnectionLost(message)
        _libpq.PQsetNoticeProcessor(self._connection, _no_notices, None)
        self.pid = _libpq.PQbackendPID(self._connection)
        self._cancel = _libpq.PQgetCancel(self._connection)

    def run(self, statement):
        """Runs a statement (bytes or text) and returns its Outcome."""
        if isinstance(statement, str):
            statement = statement.encode("utf-8", "surrogateescape")
        result = _libpq.PQexec(self._connection, statement)
        try:
            if _libpq.PQstatus(self._connection) != _CONNECTION_OK:
                raise ConnectionLost(
                    _libpq.PQerrorMessage(self._connection).decode(errors="replace"))
            if _libpq.PQresultStatus(result) in _ERROR_STATUSES:
                state = _libpq.PQresultErrorField(result, ord("C"))
                return Outcome([], (state or b"?????").decode(),
                               _libpq.PQresultErrorMessage(result).decode(errors="replace"))
            rows = [[_libpq.PQgetvalue(result, row, column).decode(errors="replace")
                     for column in range(_libpq.PQnfields(result))]
                    for row in range(min(_libpq.PQntuples(result), 10000))]
            return Outcome(rows, None, "")
        finally:
            _libpq.PQclear(result)

    def cancel(self):
        """Asks the server to cancel what runs. For another thread than that of run()."""
        error = ctypes.create_string_buffer(256)
        _libpq.PQcancel(self._cancel, error, len(error))

    def close(self):
        _libpq.PQfreeCancel(self._cancel)
        _libpq.PQfinish(self._connection)
