package migrate

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	api "istio.io/api/networking/v1alpha3"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	kyaml "sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// stays is a field that says nothing of rewrites: it stays with the object.
const fieldStays = "stays"

// fieldCase is one type of an API. Its template has an object of the type where
// HERE is; base are fields that it has in any case. samples has for each field of
// the type a value that changes what becomes of the object, or fieldStays.
type fieldCase struct {
	of             any
	template, base string
	samples        map[string]string
}

// istioRoute and apiRoute are objects with one route.
const (
	istioRoute = `
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: v, namespace: shop}, spec:
  {hosts: [a.example.com, "*.example.net"], gateways: [public], http: [ROUTE]}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: leaf, namespace: shop}, spec: {http: [{redirect: {uri: /leaf}}]}}
---
{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: public, namespace: shop}, spec: {selector: {istio: ingressgateway}, servers: [
  {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}, {port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"]}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: api, namespace: shop}, spec: {selector: {app: api}}}
---
{apiVersion: v1, kind: Service, metadata: {name: other, namespace: shop}, spec: {selector: {app: other}}}
`
	apiRoute = `
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: v, namespace: shop}, spec:
  {parentRefs: [{name: public}], hostnames: [a.example.com], rules: [ROUTE]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: public, namespace: shop}, spec: {gatewayClassName: istio, listeners: [
  {name: http, port: 80, protocol: HTTP}, {name: https, port: 443, protocol: HTTPS}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: api, namespace: shop}, spec: {selector: {app: api}}}
---
{apiVersion: v1, kind: Service, metadata: {name: other, namespace: shop}, spec: {selector: {app: other}}}
`
	toAPI    = "backendRefs: [{name: api, port: 80}]"
	withHost = "filters: [{type: URLRewrite, urlRewrite: {hostname: b.example.com}}]"
)

func istioFields() []fieldCase {
	in := func(route string) string { return strings.ReplaceAll(istioRoute, "ROUTE", route) }
	headers := map[string]string{"set": "{x-b: b}", "add": "{x-b: b}", "remove": "[x-b]"}
	texts := map[string]string{"exact": "/w", "prefix": "/w", "regex": "/w.*"}

	return []fieldCase{
		{&api.VirtualService{}, strings.ReplaceAll(istioRoute, `{hosts: [a.example.com, "*.example.net"], gateways: [public], http: [ROUTE]}`, "HERE"),
			"{hosts: [a.example.com], gateways: [public], http: [{redirect: {uri: /y}}]}", map[string]string{
				"hosts": "[b.example.com]", "gateways": "[mesh]", "http": "[{redirect: {uri: /z}}]", "exportTo": `["~"]`, "tls": fieldStays, "tcp": fieldStays,
			}},
		{&api.HTTPRoute{}, in("HERE"), "{match: [{uri: {prefix: /x}}], rewrite: {uri: /y}, route: [{destination: {host: api}}]}", map[string]string{
			"match": "[{uri: {prefix: /w}}]", "route": "[{destination: {host: other}}]", "redirect": "{uri: /z}", "directResponse": "{status: 503}",
			"delegate": "{name: leaf}", "rewrite": "{uri: /z}", "headers": "{request: {set: {x-b: b}}}",
			"name": fieldStays, "timeout": fieldStays, "retries": fieldStays, "fault": fieldStays, "mirror": fieldStays, "mirrors": fieldStays,
			"mirrorPercent": fieldStays, "mirrorPercentage": fieldStays, "corsPolicy": fieldStays,
		}},
		{&api.HTTPRedirect{}, in("{match: [{uri: {prefix: /x}}], redirect: HERE}"), "{authority: b.example.com}", map[string]string{
			"uri": "/z", "authority": "c.example.com", "port": "8080", "derivePort": "FROM_REQUEST_PORT", "scheme": "https", "redirectCode": "302",
			"prefixRewrite": "/z",
		}},
		{&api.HTTPRewrite{}, in("{match: [{uri: {prefix: /x/}}], rewrite: HERE, route: [{destination: {host: api}}]}"), "{}", map[string]string{
			"uri": "/z", "authority": "c.example.com", "uriRegexRewrite": `{match: "^/x/(.*)", rewrite: "/z/\\1"}`,
		}},
		{&api.HTTPMatchRequest{}, in("{match: [HERE], redirect: {uri: /y}}"), "{uri: {prefix: /x}}", map[string]string{
			"uri": "{prefix: /w}", "scheme": "{exact: http}", "method": "{exact: GET}", "authority": "{exact: b.example.net}",
			"headers": "{x-b: {exact: b}}", "port": "80", "sourceLabels": "{app: b}", "gateways": "[other]", "queryParams": "{b: {exact: b}}",
			"ignoreUriCase": "true", "withoutHeaders": "{x-b: {exact: b}}", "sourceNamespace": "other", "name": fieldStays, "statPrefix": fieldStays,
		}},
		{&api.StringMatch{}, in("{match: [{uri: HERE}], redirect: {uri: /y}}"), "{}", texts},
		{&api.Headers{}, in("{match: [{uri: {prefix: /x}}], headers: HERE, route: [{destination: {host: api}}]}"), "{}", map[string]string{
			"request": "{set: {x-b: b}}", "response": "{set: {x-b: b}}",
		}},
		{&api.Headers_HeaderOperations{}, in("{headers: {request: HERE}, route: [{destination: {host: api}}]}"), "{}", headers},
		{&api.Headers_HeaderOperations{}, in("{headers: {response: HERE}, route: [{destination: {host: api}}]}"), "{}", headers},
		{&api.HTTPDirectResponse{}, in("{match: [{uri: {prefix: /x}}], directResponse: HERE}"), "{status: 503}", map[string]string{
			"status": "504", "body": "{string: b}",
		}},
		{&api.HTTPBody{}, in("{directResponse: {status: 503, body: HERE}}"), "{}", map[string]string{"string": "b", "bytes": "Yg=="}},
		{&api.HTTPRouteDestination{}, in("{rewrite: {uri: /y}, route: [HERE]}"), "{destination: {host: api}}", map[string]string{
			"destination": "{host: other}", "headers": "{request: {set: {x-b: b}}}", "weight": fieldStays,
		}},
	}
}

func apiFields() []fieldCase {
	in := func(route string) string { return strings.ReplaceAll(apiRoute, "ROUTE", route) }
	filter := func(f string) string {
		return in("{matches: [{path: {value: /x}}], filters: [" + f + "], " + toAPI + "}")
	}

	return []fieldCase{
		{gateway.HTTPRouteRule{}, in("HERE"), "{matches: [{path: {value: /x}}], " + withHost + ", " + toAPI + "}", map[string]string{
			"matches": "[{path: {value: /w}}]", "filters": "[{type: URLRewrite, urlRewrite: {hostname: c.example.com}}]",
			"backendRefs": "[{name: other, port: 80}]",
			"name":        fieldStays, "timeouts": fieldStays, "retry": fieldStays, "sessionPersistence": fieldStays,
		}},
		{gateway.HTTPRouteMatch{}, in("{matches: [HERE], " + withHost + ", " + toAPI + "}"), "{}", map[string]string{
			"path": "{value: /w}", "headers": "[{name: x-b, value: b}]", "queryParams": "[{name: b, value: b}]", "method": "GET",
		}},
		{gateway.HTTPPathMatch{}, in("{matches: [{path: HERE}], " + withHost + ", " + toAPI + "}"), "{value: /x}", map[string]string{
			"type": "Exact", "value": "/w",
		}},
		{gateway.HTTPURLRewriteFilter{}, filter("{type: URLRewrite, urlRewrite: HERE}"), "{}", map[string]string{
			"hostname": "b.example.com", "path": "{type: ReplaceFullPath, replaceFullPath: /y}",
		}},
		{gateway.HTTPRequestRedirectFilter{}, in("{matches: [{path: {value: /x}}], filters: [{type: RequestRedirect, requestRedirect: HERE}]}"),
			"{hostname: b.example.com}", map[string]string{
				"scheme": "https", "hostname": "c.example.com", "path": "{type: ReplaceFullPath, replaceFullPath: /y}", "port": "8080", "statusCode": "301",
			}},
		{gateway.HTTPPathModifier{}, filter("{type: URLRewrite, urlRewrite: {path: HERE}}"),
			"{type: ReplaceFullPath, replaceFullPath: /y, replacePrefixMatch: /z}", map[string]string{
				"type": "ReplacePrefixMatch", "replaceFullPath": "/w", "replacePrefixMatch": fieldStays,
			}},
		{gateway.HTTPHeaderFilter{}, filter("{type: RequestHeaderModifier, requestHeaderModifier: HERE}"), "{}", map[string]string{
			"set": "[{name: x-b, value: b}]", "add": "[{name: x-b, value: b}]", "remove": "[x-b]",
		}},
		{gateway.HTTPRouteFilter{}, filter("HERE"),
			"{type: URLRewrite, urlRewrite: {hostname: b.example.com}, requestHeaderModifier: {set: [{name: x-b, value: b}]}}", map[string]string{
				"type": "RequestHeaderModifier", "urlRewrite": "{hostname: c.example.com}",
				// These count by the type, as the cases of filters hold.
				"requestHeaderModifier": fieldStays, "responseHeaderModifier": fieldStays, "requestRedirect": fieldStays, "extensionRef": fieldStays,
				"requestMirror": fieldStays, "cors": fieldStays, "externalAuth": fieldStays,
			}},
		{gateway.HTTPBackendRef{}, in("{matches: [{path: {value: /x}}], " + withHost + ", backendRefs: [HERE]}"),
			"{name: api, port: 80}", map[string]string{
				"name": "other", "namespace": "victim", "kind": "Bucket",
				"filters": "[{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-b, value: b}]}}]",
				"group":   fieldStays, "port": fieldStays, "weight": fieldStays,
			}},
	}
}

// TestEveryFieldIsReadOrSaidToStay holds that import passes over no field of the
// APIs that it reads: of each one some value changes the rules or the report, or
// it is known to have nothing to do with rewrites. A field that a newer API adds
// has to be put here.
func TestEveryFieldIsReadOrSaidToStay(t *testing.T) {
	for _, c := range append(istioFields(), apiFields()...) {
		name := reflect.Indirect(reflect.ValueOf(c.of)).Type().String()

		var base map[string]any
		if err := kyaml.Unmarshal([]byte(c.base), &base); err != nil {
			t.Fatal(err)
		}

		before := c.becomes(t, base)
		for _, field := range jsonFields(c.of) {
			sample, known := c.samples[field]
			switch {
			case !known:
				t.Errorf("%s.%s is neither read nor said to stay", name, field)
				continue
			case sample == fieldStays:
				continue
			}

			with := map[string]any{}
			for key, value := range base {
				with[key] = value
			}

			var value any
			if err := kyaml.Unmarshal([]byte(sample), &value); err != nil {
				t.Fatal(err)
			}

			with[field] = value
			if after := c.becomes(t, with); after == before {
				t.Errorf("%s.%s: %s is passed over:\n%s", name, field, sample, after)
			}
		}
	}
}

// becomes is what import makes of the case's object with some fields.
func (c *fieldCase) becomes(t *testing.T, fields map[string]any) string {
	t.Helper()

	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}

	docs, err := input.Parse("input.yaml", []byte(strings.ReplaceAll(c.template, "HERE", string(text))))
	if err != nil {
		t.Fatal(err)
	}

	r, err := Convert(docs.Objects(), Options{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}

	return reportText(r.Report) + string(r.Values)
}

// jsonFields are the fields of a message or a struct, as objects write them.
func jsonFields(of any) (names []string) {
	if m, ok := of.(proto.Message); ok {
		fields := m.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			names = append(names, fields.Get(i).JSONName())
		}
		return names
	}

	t := reflect.TypeOf(of)
	for i := range t.NumField() {
		f := t.Field(i)

		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			names = append(names, jsonFields(reflect.New(f.Type).Elem().Interface())...)
			continue
		}

		names = append(names, name)
	}

	return names
}
