# Firstlight in a container, for hosts that want one. It needs the host's network to hear broadcasts:
#   docker build -t firstlight . && docker run --rm --network host --cap-add NET_ADMIN -v firstlight:/data firstlight --interface eth1
# What machines boot is made on the host (scripts/build-scout, build-image, fetch-installer) into the volume's assets/.
FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends nodejs npm ipxe iproute2 ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin firstlight
WORKDIR /opt/firstlight
COPY package.json package-lock.json .npmrc tsconfig.json ./
COPY src src
RUN npm ci --ignore-scripts && npm run build && npm prune --omit=dev --ignore-scripts
COPY bin bin
COPY bootenvs bootenvs
COPY templates templates
COPY workflows workflows
VOLUME /data
ENTRYPOINT ["bin/firstlight", "serve", "--data", "/data"]
