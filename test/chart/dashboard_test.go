package chart_test

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
)

// What Grafana shows of it is the mesh's to test: TestTheQueriesOfTheMetricsPageAndTheDashboard.
func TestChartDashboardNamesTheWorkloadsOfTheRelease(t *testing.T) {
	const two = chart.Module + "workloads: {cart: {}, shop: {namespace: other}}\n"
	if boards := configMaps(t, two); len(boards) > 0 {
		t.Errorf("rendered %d ConfigMaps by default, want none", len(boards))
	}

	boards := configMaps(t, two, "metrics: {dashboard: {enabled: true, namespace: monitoring, labels: {grafana_dashboard: null, mine: x}}}")
	if len(boards) != 1 || boards[0].GetNamespace() != "monitoring" || boards[0].GetLabels()["mine"] != "x" || boards[0].GetLabels()["grafana_dashboard"] != "" {
		t.Fatalf("rendered %v, want one ConfigMap in monitoring with the label mine alone", boards)
	}

	data, _, _ := unstructured.NestedStringMap(boards[0].Object, "data")
	for name, text := range data {
		var board struct {
			Title, UID string
			Templating struct {
				List []struct{ Name, Query string }
			}
		}
		if err := json.Unmarshal([]byte(text), &board); err != nil {
			t.Fatalf("%s: %v", name, err)
		}

		list := board.Templating.List
		if len(list) != 2 || list[1].Query != "shop/cart : shop_demo_cart, other/shop : other_demo_shop" {
			t.Errorf("the variables are %v, want the workloads cart and shop by their names in metrics", list)
		}
		if strings.Contains(text, "@") || len(board.UID) > 40 || !strings.HasPrefix(board.Title, "wasm-rewrite: ") {
			t.Errorf("title %q, uid %q; nothing may be left to put in", board.Title, board.UID)
		}
	}
}

func configMaps(t *testing.T, values ...string) (list []unstructured.Unstructured) {
	t.Helper()

	for _, object := range chart.Objects(t, chart.MustRender(t, values...)) {
		if object.GetKind() == "ConfigMap" {
			list = append(list, object)
		}
	}

	return list
}
