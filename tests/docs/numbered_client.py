import socket
import struct
import sys

def call(server, number, body):
    server.sendall(struct.pack(">IBQ", 9 + len(body), 1, number) + body)
    while True:
        length, kind, of = struct.unpack(">IBQ", take(server, 13))
        answer = take(server, length - 9)
        if kind in (2, 3) and of == number:
            return kind == 2, answer

def take(server, size):
    data = b""
    while len(data) < size:
        more = server.recv(size - len(data))
        if not more:
            raise ConnectionError("the server has ended the connection")
        data += more
    return data

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as server:
    done, answer = call(server, 1, sys.argv[2].encode())
    print("answered" if done else "refused with %d" % answer[0], answer[0 if done else 1:].decode())
