-- For wrk: counts the answers that are not, byte for byte, what is expected.
--     wrk -s check_bodies.lua URL -- STATUS BODY
local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(words)
    right, wrong = 0, 0
    wanted_status, wanted_body = tonumber(words[1]), words[2]
end

function response(status, headers, body)
    if status == wanted_status and body == wanted_body then
        right = right + 1
    else
        wrong = wrong + 1
    end
end

function done(summary, latency, requests)
    local rights, wrongs = 0, 0
    for _, thread in ipairs(threads) do
        rights, wrongs = rights + thread:get("right"), wrongs + thread:get("wrong")
    end
    local errors = summary.errors
    print(string.format("%d right, %d wrong, %d socket errors", rights, wrongs,
        errors.connect + errors.read + errors.write + errors.timeout))
end
