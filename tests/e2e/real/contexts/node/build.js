const fs = require("fs");
const { marked } = require("marked");
const ms = require("ms");

fs.mkdirSync("dist", { recursive: true });
fs.writeFileSync("dist/index.html", marked.parse(fs.readFileSync("page.md", "utf8")));
fs.writeFileSync("dist/max-age", String(ms("1 day") / 1000));
fs.copyFileSync("server.js", "dist/server.js");
