-- Requests with a number each, every second one a POST with a body; the numbers of those that were
-- answered, and how, go into a file for each thread.
local sizes = { 10, 3000, 50000 }
local bodies = {}
local threads = 0

function setup(thread)
	thread:set("id", threads)
	threads = threads + 1
end

function init(arguments)
	for index, size in ipairs(sizes) do
		bodies[index] = string.rep("x", size)
	end
	next_number = id * 100000000 + tonumber(arguments[2]) * 1000000
	answers = io.open(arguments[1] .. "." .. id, "w")
	failed = 0
end

function request()
	next_number = next_number + 1
	local path = "/api/record?id=" .. next_number
	if next_number % 2 == 0 then
		return wrk.format("GET", path)
	end
	local body = bodies[math.floor(next_number / 2) % 3 + 1]
	return wrk.format("POST", path, nil, body)
end

-- Milliseconds until the connection's next request: without it the load takes all the processor time
-- that there is, and what is measured is who gets how much of it.
function delay()
	return 20
end

function response(status, headers, body)
	answers:write(headers["X-Number"] or "-", " ", status, "\n")
end

function done(summary, latency, requests)
	local errors = summary.errors
	print(string.format("figures requests=%d seconds=%.3f p50=%.3f p99=%.3f most=%.3f status=%d broken=%d",
		summary.requests, summary.duration / 1000000, latency:percentile(50) / 1000,
		latency:percentile(99) / 1000, latency.max / 1000, errors.status,
		errors.connect + errors.read + errors.write + errors.timeout))
end
