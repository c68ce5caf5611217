// What the commands do to the keys of one shard. commands.cpp lists them; a server reaches them by
// Command::run(), on the shard's thread. One that several shards share is run with its own keys on each.
#pragma once

#include "resp/request.hpp"
#include "resp/store.hpp"

#include <string>

namespace resp {

void run_get(Store& store, Arguments arguments, Milliseconds now, std::string& reply);
void run_set(Store& store, Arguments arguments, Milliseconds now, std::string& reply);
void run_incr(Store& store, Arguments arguments, Milliseconds now, std::string& reply);
void run_decr(Store& store, Arguments arguments, Milliseconds now, std::string& reply);
void run_expire(Store& store, Arguments arguments, Milliseconds now, std::string& reply);
void run_ttl(Store& store, Arguments arguments, Milliseconds now, std::string& reply);

void run_del(Store& store, Arguments arguments, Milliseconds now, std::string& reply);
void run_exists(Store& store, Arguments arguments, Milliseconds now, std::string& reply);
void run_mget(Store& store, Arguments arguments, Milliseconds now, std::string& reply);
void run_mset(Store& store, Arguments arguments, Milliseconds now, std::string& reply);

void run_dbsize(Store& store, Arguments arguments, Milliseconds now, std::string& reply);
void run_flushall(Store& store, Arguments arguments, Milliseconds now, std::string& reply);
// Four integers for merge(): keys, those with an expiry, bytes of memory, their limit (0: none).
void run_info(Store& store, Arguments arguments, Milliseconds now, std::string& reply);

}  // namespace resp
