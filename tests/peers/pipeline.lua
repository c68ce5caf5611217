-- For wrk: sends requests in batches without waiting between them. The number comes after "--" on wrk's
-- command line.
function init(args)
    local depth = tonumber(args[1])
    local batch = {}
    for index = 1, depth do
        batch[index] = wrk.format()
    end
    requests = table.concat(batch)
end

function request()
    return requests
end
