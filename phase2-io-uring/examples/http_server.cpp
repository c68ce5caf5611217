// An HTTP/1.1 server on one thread. GET and HEAD of /, /plaintext and /json.
//
// Shows: a task for each connection; requests parsed in the buffer that the kernel filled; pipelined requests
// answered in one send, from a string that comes back with the result and is used again; one timer for all
// idle connections; a clean stop on SIGINT and SIGTERM.
//
//     http_server                      # on http://127.0.0.1:8080/, until Ctrl-C
//     http_server --port 0             # the kernel picks a free port
//     http_server 0.0.0.0:80 --idle-ms 5000
//     curl -i http://127.0.0.1:8080/json
//     wrk -t1 -c100 -d5s http://127.0.0.1:8080/plaintext
//
// Prints the address it listens on, and when it is stopped how many requests it has answered.
#include "arguments.hpp"
#include "http_dialogue.hpp"
#include "signals.hpp"

#include <ringlet/future/select.hpp>
#include <ringlet/net/tcp.hpp>
#include <ringlet/runtime.hpp>
#include <ringlet/time/timeout.hpp>
#include <ringlet/time/timer_action.hpp>

#include <list>

using namespace ringlet;
using namespace std::chrono_literals;

namespace {

class Server;

// Lives in the frame of its task.
class Connection {
public:
    Connection(Server& server, TcpStream stream);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Co<void> serve();

    // For the server. Both only shut the socket; the task then finds the end of the stream, after the bytes
    // that have arrived before.
    void wind_up();
    void give_up_if_idle();

private:
    Co<void> converse();
    void hear(Result<Lease> received);

    Server& server_;
    std::list<Connection*>::iterator place_;
    TcpStream stream_;
    http::Dialogue dialogue_;
    std::string answers_;
    unsigned idle_ticks_ = 0;  // of the server, since the last answer
    bool sending_ = false;
    bool timed_out_ = false;
    bool ended_ = false;  // by the client, or because the connection broke
};
