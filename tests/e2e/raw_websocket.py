"""A WebSocket client that sends any bytes and reads only when it is told to."""
import json
import os
import socket
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class RawSocket:
    def __init__(self, server, receive_buffer=None, headers="", tls=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.settimeout(120)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.socket.sendall((f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                             "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                             "Sec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                             f"{headers}\r\n").encode())
        self.input = self.socket.makefile("rb")
        self.status = int(self.input.readline().split()[1])
        self.headers = {}
        while line := self.input.readline().strip():
            name, _, value = line.decode().partition(": ")
            self.headers[name.lower()] = value

    @staticmethod
    def frame(opcode, payload=b"", mask=True, first=0x80, length=None):
        """`first` has the bits beside the opcode, `length` what the head claims."""
        length = len(payload) if length is None else length
        bit = 0x80 if mask else 0
        head = bytes([first | opcode])
        if length < 126:
            head += bytes([bit | length])
        elif length < 65536:
            head += bytes([bit | 126]) + struct.pack(">H", length)
        else:
            head += bytes([bit | 127]) + struct.pack(">Q", length)
        if not mask:
            return head + payload
        key = os.urandom(4)
        stream = (key * (len(payload) // 4 + 1))[:len(payload)]
        masked = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
        return head + key + masked.to_bytes(len(payload), "big")

    def send(self, message):
        data = message if isinstance(message, str) else json.dumps(message)
        self.socket.sendall(self.frame(TEXT, data.encode()))

    def receive_frame(self):
        """Opcode and payload; None at the end of the stream."""
        try:
            head = self.input.read(2)
            if len(head) < 2:
                return None
            assert head[0] & 0x70 == 0 and head[1] & 0x80 == 0, head
            length = head[1]
            if length == 126:
                length, = struct.unpack(">H", self.input.read(2))
            elif length == 127:
                length, = struct.unpack(">Q", self.input.read(8))
            return head[0] & 15, self.input.read(length)
        except ConnectionResetError:
            return None

    def receive(self):
        while True:
            opcode, payload = self.receive_frame()
            if opcode == TEXT:
                return json.loads(payload)
            assert opcode == PONG, (opcode, payload)

    def close_code(self):
        """Of the close frame that comes, whatever comes before it; None if there is none."""
        while found := self.receive_frame():
            if found[0] == CLOSE:
                return struct.unpack(">H", found[1][:2])[0]
        return None

    def close(self, reset=False):
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.input.close()
        self.socket.close()
