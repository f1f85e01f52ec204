const fs = require("fs");
const http = require("http");
const path = require("path");
const page = fs.readFileSync(path.join(__dirname, "index.html"));
const age = fs.readFileSync(path.join(__dirname, "max-age"), "utf8");

const server = http.createServer((request, response) => {
  response.setHeader("Cache-Control", `max-age=${age}`);
  response.end(page);
});
server.listen(Number(process.env.PORT || 3000), "127.0.0.1", () => console.log("ready"));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
