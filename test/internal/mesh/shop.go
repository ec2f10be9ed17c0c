package mesh

import (
	_ "embed"
	"strings"
	"text/template"
)

// Environments are those of environments/, in the order of their promotions.
var Environments = []string{"dev", "staging", "production"}

//go:embed shop.yaml.tmpl
var shopText string

var shopTemplate = template.Must(template.New("shop.yaml").Parse(shopText))

// Shop is what the rules of environments/ are for: in each environment's namespace an httpbin with a sidecar, called
// checkout, behind the gateway's host <environment>.example.com. httpbin is its image.
func Shop(httpbin string) (string, error) {
	type place struct{ Environment, HTTPBin string }

	var places []place
	for _, environment := range Environments {
		places = append(places, place{environment, httpbin})
	}

	var manifest strings.Builder
	err := shopTemplate.Execute(&manifest, places)

	return manifest.String(), err
}
