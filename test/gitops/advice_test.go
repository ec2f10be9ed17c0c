package gitops_test

import (
	"path/filepath"
	"strings"
	"testing"

	authentication "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// refused wants a promotion of checkout from dev to staging to be refused, with words.
func refused(t *testing.T, words ...string) {
	t.Helper()

	_, err := inTree("make", "promote", "FROM=dev", "TO=staging", "WORKLOAD=checkout", "--old-file=build/bin/wasm-rewrite")
	if err == nil {
		t.Fatalf("make promote copies; want it to say %q", words)
	}

	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("make promote says\n%v\nwant %q", err, word)
		}
	}
}

// Of two pushes within a second Argo CD may look at the first alone. Whoever promotes then is told how to make it look.
func TestAPushThatArgoCDDidNotLookAtYet(t *testing.T) {
	start(t)
	pushRule(t, "dev", "before-two")
	must(t, eventually(settled, func() error { return synced("dev") }))

	// With nobody there who looks, it has not looked for certain.
	must(t, bed.argo.StopController())

	for _, name := range []string{"first-of-two", "second-of-two"} {
		must(t, write("environments/dev/rules/checkout.yaml", rule(name)))
		must(t, pushNow("checkout: "+name))
	}
	refused(t, "dev is not promoted: it runs commit ", "environments/dev/rules/checkout.yaml", "Argo CD may not have looked yet",
		"`argocd app get --refresh wasm-rewrite-dev` has it look now")

	must(t, bed.argo.StartController(bed.Context))
	must(t, refresh("dev", "normal"))
	must(t, eventually(settled, func() error { return inForce("dev", "second-of-two") }))
	promote(t, "dev", "staging", "WORKLOAD=checkout")

	_, err := inTree("git", "checkout", "--", "environments/staging")
	must(t, err)
}

// Somebody who may not read the Applications learns what right is missing, and whose cluster it is about.
func TestAPromotionByOneWhoMayNotRead(t *testing.T) {
	start(t)
	pushRule(t, "dev", "unread")
	must(t, eventually(settled, func() error { return synced("dev") }))

	token, err := bed.Client.CoreV1().ServiceAccounts("shop-dev").CreateToken(t.Context(), "default", &authentication.TokenRequest{}, metav1.CreateOptions{})
	must(t, err)

	config := clientcmdapi.NewConfig()
	rest := bed.Cluster.REST
	config.Clusters["bed"] = &clientcmdapi.Cluster{Server: rest.Host, CertificateAuthorityData: rest.CAData, CertificateAuthority: rest.CAFile}
	config.AuthInfos["nobody"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts["nobody"] = &clientcmdapi.Context{Cluster: "bed", AuthInfo: "nobody"}
	config.CurrentContext = "nobody"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, clientcmd.WriteToFile(*config, file))

	whole := bed.Kubeconfig
	bed.Kubeconfig = file
	t.Cleanup(func() { bed.Kubeconfig = whole })
	refused(t, "cannot get resource", "one has to be allowed to get applications.argoproj.io in namespace argocd of Argo CD's cluster",
		"see that --context is of it, ask who runs it, or --unverified")
}

// While the registry is down a push stops at the gate and a promotion at the chart, and each says where to look; once it
// is back, the same push arrives.
func TestTheRegistryDownAndBack(t *testing.T) {
	start(t)
	pushRule(t, "dev", "before-the-registry")
	must(t, eventually(settled, func() error { return synced("dev") }))

	must(t, bed.Registry.Down())
	t.Cleanup(func() {
		if err := bed.Registry.Up(); err != nil {
			t.Error(err)
		}
	})
	must(t, write("environments/dev/rules/checkout.yaml", rule("before-the-registry", "without-registry")))
	must(t, pushNow("checkout: without-registry"))
	must(t, refresh("dev", "hard"))
	must(t, eventually(settled, func() error { return says("dev", "/charts/wasm-rewrite/manifests/", "connection refused") }))
	refused(t, "dev is not promoted: Application argocd/wasm-rewrite-dev is Unknown, since Argo CD cannot compare the cluster with git: ",
		"/charts/wasm-rewrite/manifests/", "connection refused; see that the registry and the git server are up, and that Argo CD may read both")

	_, err := inTree("make", "promote", "FROM=dev", "TO=staging", "UNVERIFIED=1", "--old-file=build/bin/wasm-rewrite")
	if err == nil || !strings.Contains(err.Error(), "see that the registry is right in global.chart.repository, and up") {
		t.Errorf("make promote UNVERIFIED=1 says %v", err)
	}
	must(t, inForce("dev", "before-the-registry"))
	must(t, unknown("dev", "/without-registry/x"))

	must(t, bed.Registry.Up())
	must(t, refresh("dev", "hard"))
	must(t, eventually(8*settled, func() error { return inForce("dev", "without-registry") }))
	must(t, eventually(2*settled, func() error { return synced("dev") }))
}
