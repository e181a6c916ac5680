"""Kubernetes: a Deployment of servers with a Service and a HorizontalPodAutoscaler; and, for KServe, an InferenceService.

The model is on a PersistentVolumeClaim, in a folder of its name: what is in the folder that holds the versions.
"""

from __future__ import annotations

from kexport_targets.saved_model.serving import model_server
from kexport_targets.saved_model.serving.served import (
    CONFIG,
    GRPC_PORT,
    IMAGE,
    MODELS,
    REST_PORT,
    Served,
    listed,
)


def manifest(served: Served) -> str:
    """``kubernetes.yaml``. How many servers there are is the autoscaler's to say, so the Deployment does not."""
    name, memory = served.name, served.memory_mib
    return f"""\
# The model is read from the claim {name}-models, where its versions are in the folder {name}: copy there what is in
# the folder around this one. kubectl apply -f kubernetes.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}-serving
  labels:
    app.kubernetes.io/name: {name}
data:
  models.config: |
{_indented(model_server.models_config(served))}
  batching.config: |
{_indented(model_server.batching_config(served))}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
    spec:
      securityContext:
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: tf-serving
          image: {IMAGE}
          args:
{listed(served.arguments, 12)}
          ports:
            - name: grpc
              containerPort: {GRPC_PORT}
            - name: rest
              containerPort: {REST_PORT}
          # The server listens once the model is loaded and warm; then this is answered.
          startupProbe:
{_probe(name)}
            periodSeconds: 5
            failureThreshold: 120
          readinessProbe:
{_probe(name)}
            periodSeconds: 5
            timeoutSeconds: 3
          livenessProbe:
            tcpSocket:
              port: grpc
            periodSeconds: 20
          resources:
            requests:
              cpu: "1"
              memory: {memory}Mi
            limits:
              memory: {2 * memory}Mi
          securityContext:
            allowPrivilegeEscalation: false
            capabilities:
              drop:
                - ALL
          volumeMounts:
            - name: models
              mountPath: {MODELS}/{name}
              subPath: {name}
              readOnly: true
            - name: config
              mountPath: {CONFIG}
              readOnly: true
      volumes:
        - name: models
          persistentVolumeClaim:
            claimName: {name}-models
            readOnly: true
        - name: config
          configMap:
            name: {name}-serving
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
    - name: grpc
      port: {GRPC_PORT}
      targetPort: grpc
    - name: rest
      port: {REST_PORT}
      targetPort: rest
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {name}
  minReplicas: 1
  maxReplicas: 10
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 70
"""


def inference_service(served: Served) -> str:
    """``kserve.yaml``, for KServe's own TensorFlow runtime."""
    name, memory = served.name, served.memory_mib
    return f"""\
# The model is read from the folder {name} of the claim {name}-models. kubectl apply -f kserve.yaml
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {name}
spec:
  predictor:
    minReplicas: 1
    maxReplicas: 10
    scaleMetric: cpu
    scaleTarget: 70
    model:
      modelFormat:
        name: tensorflow
      storageUri: pvc://{name}-models/{name}
      resources:
        requests:
          cpu: "1"
          memory: {memory}Mi
        limits:
          memory: {2 * memory}Mi
"""


def _probe(name: str) -> str:
    return f"""\
            httpGet:
              path: /v1/models/{name}
              port: rest"""


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
